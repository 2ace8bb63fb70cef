"""DrQ's augmentation: edge padding, crops and intensities are what the authors' code draws."""

from __future__ import annotations

import numpy as np
import torch

from redo_lab.networks.augment import Augmentation, crop, drq, edge_padded
from redo_lab.networks.parts import pixels
from tests.helpers.networks import observations


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_padding_repeats_the_edges() -> None:
    obs = observations((4, 9, 7), 3)
    assert np.array_equal(edge_padded(obs, 4), np.pad(obs, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="edge"))


def test_each_image_is_cropped_at_its_own_place_all_its_frames_alike() -> None:
    padded = edge_padded(observations((4, 9, 7), 64), 4)
    rows, columns = torch.randint(0, 9, (2, 64), generator=generator())
    found = crop(padded, rows, columns, torch.Size((9, 7)))
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        assert torch.equal(found[i], padded[i, :, row : row + 9, column : column + 7])


def test_an_augmented_image_is_a_crop_times_an_intensity() -> None:
    obs = observations((4, 9, 7), 6)
    draws = generator()
    rows, columns = torch.randint(0, 8, (2, 6), generator=draws)
    intensity = 1 + 0.05 * torch.randn(6, generator=draws).clamp(-2, 2)
    padded = np.pad(obs, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="edge")
    for i, image in enumerate(drq(obs, generator())):
        window = padded[i, :, rows[i] : rows[i] + 9, columns[i] : columns[i] + 7].astype(np.float32)
        assert np.array_equal(image, window * intensity[i].numpy())


def test_offsets_go_from_0_to_7_and_intensities_stay_within_a_tenth() -> None:
    """A white pixel in the middle shows the shift and the intensity."""
    obs = torch.zeros(4000, 1, 17, 17, dtype=torch.uint8)
    obs[:, :, 8, 8] = 200
    bright = drq(obs, generator())
    places = bright[:, 0].nonzero()[:, 1:]
    assert len(places) == 4000
    assert places.unique().tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert len(places.unique(dim=0)) == 64
    intensity = bright.flatten(1).amax(1) / 200
    assert torch.isclose(intensity.min(), torch.tensor(0.9))
    assert torch.isclose(intensity.max(), torch.tensor(1.1))
    assert abs(intensity.mean().item() - 1) < 0.005
    assert abs(intensity.std().item() - 0.05 * 0.959) < 0.002  # 0.959: of a normal number clipped at ±2


def test_two_draws_differ_and_a_generator_determines_them() -> None:
    obs, draws = observations((4, 84, 84), 3), generator()
    first, second = drq(obs, draws), drq(obs, draws)
    assert not torch.equal(first, second)
    assert torch.equal(first, drq(obs, generator()))


def test_observations_that_overlap_in_memory_are_augmented_as_their_copies_and_left_alone() -> None:
    window = observations((5, 84, 84), 3)
    view, before = window[:, 1:], window.clone()
    assert torch.equal(drq(view, generator()), drq(view.contiguous(), generator()))
    assert torch.equal(window, before)


def test_no_augmentation_returns_the_bytes_themselves() -> None:
    obs = observations((4, 84, 84), 2)
    assert Augmentation.none(obs, generator()) is obs


def test_pixels_scales_bytes_and_augmented_bytes_alike_and_leaves_them_alone() -> None:
    obs = observations((4, 84, 84), 2)
    augmented = obs.float()
    assert torch.equal(pixels(obs), obs.float() * (1 / 255))
    assert torch.equal(pixels(augmented), pixels(obs))
    assert torch.equal(augmented, obs.float())
    assert pixels(obs).is_contiguous(memory_format=torch.channels_last)
