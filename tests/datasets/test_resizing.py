"""Images, masks and thumbnails at another size."""

import numpy as np
import pytest

from lesionkit.datasets.pictures.resizing import resize_image, resize_mask, thumbnail

RGB = np.zeros((2, 3, 3), np.uint8)


def test_bilinear_resize_averages_what_it_leaves_out():
    stripes = np.tile(np.array([0, 200], np.uint8), (64, 32))[..., None]
    inner = resize_image(stripes, 4)[:, 1:3]  # the border sees one stripe more
    np.testing.assert_array_equal(inner, np.full((4, 2, 1), 100))


def test_resize_does_not_keep_the_aspect():
    assert resize_image(np.zeros((10, 40, 3), np.uint8), 8).shape == (8, 8, 3)


def test_16_bit_resize_keeps_all_bits():
    constant = np.full((9, 7, 3), 40_001, np.uint16)
    resized = resize_image(constant, 4)
    np.testing.assert_array_equal(resized, np.full((4, 4, 3), 40_001))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_nearest_resize_makes_no_new_value(dtype):
    values = np.array([[3, 250], [7, 90]], dtype)[..., None]
    resized = resize_image(values, 4, "nearest")
    np.testing.assert_array_equal(resized, values.repeat(2, 0).repeat(2, 1))


def test_resized_mask_is_0_and_1():
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    np.testing.assert_array_equal(resize_mask(mask, 4), mask.repeat(2, 0).repeat(2, 1))


def test_unknown_resize_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'nearest'"):
        resize_image(RGB, 4, "nearst")


def test_a_mask_is_resized_by_the_nearest_pixel_and_not_by_an_average():
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 4] = 1  # the middle of nine blocks: an average would lose it
    assert resize_mask(mask, 3).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_thumbnail_is_grey_antialiased_and_the_same_at_8_and_16_bits():
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)  # every other column red
    small = thumbnail(stripes)
    assert (small.shape, small.dtype) == ((32, 32), np.uint8)
    inner = small[2:-2, 2:-2].astype(int)
    assert np.abs(inner - 255 / 6).max() <= 15  # half of a third
    wide = thumbnail(stripes.astype(np.uint16) * 257)
    assert np.abs(wide.astype(int) - small).max() <= 1
