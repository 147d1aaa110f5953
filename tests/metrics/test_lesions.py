"""Lesions are counted and measured in millimetres as on paper."""

from __future__ import annotations

import numpy as np
import pytest

from lesionkit.metrics.lesions import components, detections, diameters, measure


def ball(radius, spacing, centre=(0.2, -0.3, 0.4)):
    """A sphere in mm on a grid of slices, rows and columns."""
    axes = [np.arange(-radius - 3 * s, radius + 3 * s, s) for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    place = np.stack([z, y, x], -1) - centre
    return (np.linalg.norm(place, axis=-1) <= radius).astype(np.uint8)


@pytest.mark.parametrize("radius", [6.0, 11.0, 20.0])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (2.5, 0.7, 0.7), (5, 1, 0.6)])
def test_the_diameter_of_a_sphere_is_right_within_one_voxel(radius, spacing):
    table = measure(ball(radius, spacing), spacing)
    assert len(table) == 1
    pixel = max(spacing[1:])
    offside = min(spacing[0] / 2, 2.5)  # the widest slice may miss the middle
    chord = 2 * np.sqrt(radius**2 - offside**2)
    for name in ("longest_mm", "across_mm"):
        assert chord - pixel <= table[name][0] <= 2 * radius + pixel
    # the volume of a shell half a voxel thick is what a voxel of error makes
    volume = 4 / 3 * np.pi * radius**3
    shell = 4 * np.pi * radius**2 * max(spacing) / 2
    assert abs(table["volume_mm3"][0] - volume) < min(shell, 0.06 * volume)


def test_rows_and_columns_have_a_spacing_of_their_own():
    mask = np.zeros((3, 20, 20), np.uint8)
    mask[1, 4, 2:12] = 1  # ten columns
    table = measure(mask, (5.0, 2.0, 0.5))
    assert table["longest_mm"][0] == pytest.approx(9.5 * 0.5)
    assert table["across_mm"][0] == pytest.approx(0.5 * 2.0)
    assert table["volume_mm3"][0] == pytest.approx(10 * 5 * 2 * 0.5)
    assert (table["slice"][0], table["slices"][0], table["at_edge"][0]) == (1, 1, False)


def test_the_longest_diameter_of_a_slanted_line_is_its_length():
    mask = np.eye(10, dtype=np.uint8)
    long, _ = diameters(mask, (1.0, 1.0))
    assert long == pytest.approx(9.5 * np.sqrt(2))


def test_corners_touch_and_lesions_are_sorted_by_volume():
    mask = np.zeros((3, 9, 9), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = 1  # one, by its corners
    mask[0, 6, 6] = 1
    assert components(mask)[1] == 2
    table = measure(mask, (1, 1, 1))
    assert table["voxels"].tolist() == [3, 1]
    assert table["at_edge"].tolist() == [True, True]


def test_an_empty_volume_has_no_lesion_and_its_columns():
    table = measure(np.zeros((2, 4, 4)), (1, 1, 1))
    assert len(table) == 0
    assert "longest_mm" in table


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (1, np.nan, 1)])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be three numbers"):
        measure(np.zeros((2, 4, 4)), spacing)


def test_lesions_are_found_missed_and_made_up():
    mask = np.zeros((2, 12, 12), np.uint8)
    predicted = np.zeros_like(mask)
    mask[0, 1:4, 1:4] = mask[0, 8:10, 8:10] = mask[0, 1, 10] = 1
    predicted[0, 3:6, 3:6] = 1  # touches the first with one pixel
    predicted[0, 8, 1] = predicted[0, 11, 11] = 1  # two of nothing
    predicted[1, 5, 5] = 1
    found = detections(predicted, mask)
    assert found["lesions"].tolist() == [3, 0]
    assert found["lesions_found"].tolist() == [1, 0]
    assert found["false_lesions"].tolist() == [2, 1]


def test_one_large_spot_finds_every_lesion_below_it():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 1, 1] = mask[0, 5, 5] = 1
    found = detections(np.ones_like(mask), mask)
    assert [int(values[0]) for values in found.values()] == [2, 2, 0]


def test_shapes_have_to_agree():
    with pytest.raises(ValueError, match="predicted and mask must have one shape"):
        detections(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)))
