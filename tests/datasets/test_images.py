"""Decoding one picture: every rule of read_image and read_mask on a made file."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile, ImageOps

from lesionkit.datasets.pictures.images import (
    PIXEL_LIMIT,
    decode,
    read_image,
    read_mask,
)

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
GREY = np.array([[0, 127, 128], [255, 1, 200]], np.uint8)
LESION = np.array([[0, 0, 1], [1, 0, 1]], np.uint8)  # GREY cut at half range
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def saved(path, array, mode=None, **options):
    """The path of `array` written by Pillow."""
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def turned_by_exif(path, array, orientation):
    """The path of `array` written with an orientation tag."""
    exif = Image.Exif()
    exif[274] = orientation
    return saved(path, array, exif=exif)


def png_header(path, width, height):
    """The path of a PNG that claims a size and holds next to nothing."""
    chunks = b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0"))):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        chunks += struct.pack(">I", len(body)) + kind + body + crc
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def one_line_error(read, path):
    """The text of the ValueError of reading `path`, which names it in one line."""
    with pytest.raises(ValueError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_colour_has_three_channels(tmp_path):
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.png", RGB)), RGB)


def test_grey_has_one_channel(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(read_image(path), GREY[..., None])


def test_colour_tiff_tagged_as_grey_is_read_as_colour(tmp_path):
    path = tmp_path / "1.tif"
    tifffile.imwrite(path, RGB, photometric="minisblack", planarconfig="contig")
    with pytest.raises(OSError):
        Image.open(path)  # the trap: Pillow refuses it
    np.testing.assert_array_equal(read_image(path), RGB)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_cut_off_is_refused(tmp_path, compression):
    path = tmp_path / "1.tif"
    tifffile.imwrite(path, NOISE, photometric="rgb", compression=compression)
    path.write_bytes(path.read_bytes()[:-1])
    assert "truncated" in one_line_error(read_image, path)


def test_lzw_tiff_is_read_without_further_packages(tmp_path):
    path = saved(tmp_path / "a.tif", RGB, compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_16_bit_colour_tiff_stays_uint16(tmp_path):
    values = RGB.astype(np.uint16) * 257 + 3
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", byteorder=">")
    image = read_image(tmp_path / "a.tif")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, values)


def test_tiff_whose_zero_is_white_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    expected = 255 - GREY[..., None]
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


def test_tiff_of_several_pages_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY] * 3), photometric="minisblack")
    assert "3 pages" in one_line_error(read_image, tmp_path / "a.tif")


def test_16_bit_grey_png_stays_uint16(tmp_path):
    values = np.array([[0, 1, 256], [257, 40000, 65535]], np.uint16)
    image = read_image(saved(tmp_path / "a.png", values))
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, values[..., None])


def test_16_bit_colour_png_is_refused_rather_than_cut_to_8_bits(tmp_path):
    data = bytearray(png_header(tmp_path / "a.png", 1, 1).read_bytes())
    data[24:26] = 16, 2  # bit depth, colour
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    assert "16 bits" in one_line_error(read_image, tmp_path / "a.png")


def test_palette_image_shows_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 255, 0, 0])
    image.save(tmp_path / "a.png")
    expected = [[[10, 20, 30], [255, 0, 0]]]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_palette_mask_is_read_by_index(tmp_path):
    mask = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    mask.putpalette([255, 255, 255, 255, 0, 0, 0, 0, 0])  # red would be grey 76
    mask.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[0, 1, 1]])


def test_alpha_of_an_image_is_dropped(tmp_path):
    path = saved(tmp_path / "a.png", np.dstack([RGB, GREY]))
    np.testing.assert_array_equal(read_image(path), RGB)


def test_grey_with_alpha_has_one_channel(tmp_path):
    path = saved(tmp_path / "a.png", np.dstack([GREY, GREY[::-1]]))
    np.testing.assert_array_equal(read_image(path), GREY[..., None])


def test_alpha_that_varies_is_the_mask(tmp_path):
    path = saved(tmp_path / "a.png", np.dstack([RGB, GREY]))
    np.testing.assert_array_equal(read_mask(path), LESION)


def test_alpha_that_is_constant_leaves_the_mask_to_the_colours(tmp_path):
    opaque = np.full_like(GREY, 255)
    path = saved(tmp_path / "a.png", np.dstack([GREY, GREY, GREY, opaque]))
    np.testing.assert_array_equal(read_mask(path), LESION)


def test_cmyk_becomes_rgb(tmp_path):
    white = np.full((8, 8, 3), 255, np.uint8)
    path = saved(tmp_path / "a.jpg", white, "CMYK", quality=100)
    np.testing.assert_array_equal(read_image(path), white)


@pytest.mark.parametrize("array", [GREY, np.dstack([GREY] * 3)])
def test_mask_is_cut_at_half_range(tmp_path, array):
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", array)), LESION)


def test_16_bit_mask_is_cut_at_half_range(tmp_path):
    values = np.array([[0, 255, 32767], [32768, 40000, 65535]], np.uint16)
    mask = read_mask(saved(tmp_path / "a.png", values))
    np.testing.assert_array_equal(mask, [[0, 0, 0], [1, 1, 1]])


def test_jpeg_mask_with_grey_edges_gives_back_the_square(tmp_path):
    square = np.zeros((32, 32, 3), np.uint8)
    square[5:21, 9:27] = 255
    path = saved(tmp_path / "a.jpg", square, quality=75)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2  # greys are there
    mask = read_mask(path)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, square[..., 0] // 255)


@pytest.mark.parametrize("array", [LESION, LESION.astype(bool), LESION * np.uint16(1)])
def test_mask_of_0_and_1_is_recognised(tmp_path, array):
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", array)), LESION)


def test_1_bit_image_is_0_and_255(tmp_path):
    image = read_image(saved(tmp_path / "a.png", LESION.astype(bool)))
    np.testing.assert_array_equal(image, LESION[..., None] * 255)


def test_empty_mask_is_all_background(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((2, 3), np.uint8))
    np.testing.assert_array_equal(read_mask(path), np.zeros((2, 3)))


def test_coloured_mask_is_refused(tmp_path):
    red = np.zeros((2, 2, 3), np.uint8)
    red[0, 0, 0] = 255
    path = saved(tmp_path / "a.png", red)
    assert "coloured mask" in one_line_error(read_mask, path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_image_is_turned_as_pillow_turns_it(tmp_path, orientation, ending):
    path = turned_by_exif(tmp_path / "a.png", RGB, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", extratags=tags)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{ending}"), expected)


def test_image_and_mask_with_exif_6_are_turned_alike(tmp_path):
    image = read_image(turned_by_exif(tmp_path / "a.png", RGB, 6))
    mask = read_mask(turned_by_exif(tmp_path / "b.png", GREY, 6))
    np.testing.assert_array_equal(image, np.rot90(RGB, -1))
    np.testing.assert_array_equal(mask, [[1, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp"])
@pytest.mark.parametrize("kept", [0.03, 0.5, 0.98])
def test_file_cut_off_is_refused(tmp_path, ending, kept):
    path = saved(tmp_path / f"a.{ending}", NOISE)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    one_line_error(read_image, path)


def test_setting_that_hides_cut_off_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = saved(tmp_path / "a.jpg", NOISE)
    assert "LOAD_TRUNCATED_IMAGES" in one_line_error(read_image, path)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert "0 bytes" in one_line_error(read_mask, tmp_path / "a.jpg")


def test_web_page_named_jpg_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("<!DOCTYPE html>\n<html>sign in</html>\n")
    assert "<!DOCTYPE html" in one_line_error(read_image, tmp_path / "a.jpg")


@pytest.mark.parametrize("side", [13_000, 60_000])  # below and above Pillow's own limit
def test_header_of_too_many_pixels_is_refused(tmp_path, side):
    path = png_header(tmp_path / "a.png", side, side)
    assert f"{PIXEL_LIMIT:,}" in one_line_error(read_image, path)


def test_largest_image_of_isic_is_within_the_limit():
    assert PIXEL_LIMIT > 6748 * 4499


def test_unsupported_mode_is_named(tmp_path):
    path = saved(tmp_path / "a.tif", RGB, "LAB")
    assert "'LAB'" in one_line_error(read_image, path)


def test_a_jpeg_in_a_tiff_changes_values_whoever_decodes_it(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.tif", NOISE[..., 0], compression="jpeg")
    # stands in for imagecodecs, with which tifffile reads it without Pillow
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda page: NOISE[..., 0])
    assert not decode(path).exact
