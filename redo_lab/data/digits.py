"""scikit-learn's handwritten digits, which need no download, enlarged to the size of CIFAR-10's images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from redo_lab.config import require
from redo_lab.experience import Data
from redo_lab.types import LabelledImages

SIDE_PIXELS, CHANNELS = 32, 3
IMAGES = 1797
BRIGHTEST = 16
"""Of scikit-learn's pixels."""


class Digits(Data):
    """8×8 digits as uint8 [N, 3, 32, 32]: every pixel a square of 4×4, all channels alike. The last images test."""

    classes = 10
    obs_shape = (CHANNELS, SIDE_PIXELS, SIDE_PIXELS)

    @dataclass
    class Config:
        """`samples` of the 1797 images train, the last `test_samples` test."""

        samples: int
        test_samples: int

        def __post_init__(self) -> None:
            for name in ("samples", "test_samples"):
                require(getattr(self, name) >= 1, f"{name} must be ≥ 1, got {getattr(self, name)}")
            both = self.samples + self.test_samples
            require(both <= IMAGES, f"samples and test_samples must be ≤ {IMAGES} together, got {both}")

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def check_machine(config: Config) -> None:
        """Nothing is missing anywhere: scikit-learn has them."""

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """The first images and the last ones."""
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        grey = np.rint(pixels.reshape(-1, 1, 8, 8) * (255 / BRIGHTEST)).astype(np.uint8)
        scale = SIDE_PIXELS // 8
        images = grey.repeat(CHANNELS, axis=1).repeat(scale, axis=2).repeat(scale, axis=3)
        labels = labels.astype(np.int64)
        first_test = IMAGES - self.config.test_samples
        training = LabelledImages(images, labels).first(self.config.samples)
        return training, LabelledImages(images[first_test:], labels[first_test:])
