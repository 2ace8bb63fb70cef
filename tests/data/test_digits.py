"""scikit-learn's digits as images of CIFAR-10's size."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from redo_lab.config import ConfigError
from redo_lab.data.digits import Digits


def test_every_pixel_is_a_square_of_4_by_4_in_all_three_channels() -> None:
    training, test = Digits(Digits.Config(samples=1437, test_samples=360)).load()
    assert (training.images.shape, test.images.shape) == ((1437, 3, 32, 32), (360, 3, 32, 32))
    assert (training.images.dtype, training.labels.dtype) == (np.uint8, np.int64)
    pixels, labels = load_digits(return_X_y=True)
    for at in range(3):
        for row, column in ((0, 2), (3, 4), (7, 5)):
            square = training.images[at, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert (square == round(pixels[at, 8 * row + column] * 255 / 16)).all()
    assert training.images.max() == 255
    assert (training.labels == labels[:1437]).all()
    assert (test.labels == labels[1437:]).all()


def test_few_samples_are_the_first_and_the_test_images_the_last() -> None:
    few, test = Digits(Digits.Config(samples=5, test_samples=2)).load()
    labels = load_digits(return_X_y=True)[1]
    assert (few.labels.tolist(), test.labels.tolist()) == (labels[:5].tolist(), labels[-2:].tolist())


def test_an_image_cannot_both_train_and_test() -> None:
    with pytest.raises(ConfigError, match="must be ≤ 1797 together, got 1798"):
        Digits.Config(samples=1438, test_samples=360)
