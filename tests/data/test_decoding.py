import io
import struct
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data import (
    decode_image,
    decode_plain,
    inspect_image,
    read_image,
    resize_images,
)
from kmlic.data.decoding import decoded_pixels
from tests.data.files import encode, huge_png, picture

PICTURE = picture()
ANIMATION = {"save_all": True, "append_images": [picture(seed=1)]}
GREY_16 = Image.fromarray(np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype("u2"))
TRANSPARENT = PICTURE.copy()
TRANSPARENT.putalpha(Image.linear_gradient("L").resize(PICTURE.size))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decodes_every_format_to_the_pixels_of_pillow(kind, mode):
    data = encode(PICTURE.convert(mode), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)
    assert inspect_image(data).plain == (kind in ("JPEG", "PNG"))


@pytest.mark.parametrize(
    ("size", "part"), [(None, 1), (200, 1), (51, 1), (50, 2), (25, 4), (12, 8), (1, 8)]
)
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(size, part):
    image = picture(200, 301, cells=6)
    data = encode(image, "JPEG", quality=95)
    found = decode_image(data, image_size=size)
    expected = np.asarray(
        image.resize((-(-301 // part), -(-200 // part)), Image.Resampling.BOX), int
    )
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 2
    header = inspect_image(data)
    if size is not None:
        assert decoded_pixels(header, size) == found.shape[0] * found.shape[1]
    sides = []
    decode_plain(
        data,
        image_size=size,
        crop=lambda x: sides.append(x) or tf.constant((0, 0, 1, 1)),
    )
    assert sides[-1].numpy().tolist() == list(found.shape[:2])


def test_other_files_are_decoded_whole_however_large_they_are():
    assert decode_image(encode(PICTURE, "PNG"), image_size=1).shape == (24, 32, 3)


def test_a_large_turned_jpeg_is_turned_after_it_is_decoded():
    data = encode(picture(160, 240), "JPEG", exif=exif(6))
    assert inspect_image(data).turn == 6
    assert decode_image(data, image_size=20).shape == (60, 40, 3)
    whole = resize_images(decode_image(data), 20)
    close = resize_images(decode_image(data, image_size=20), 20)
    assert np.abs(whole - close).mean() < 2


def test_cmyk_jpegs_become_the_rgb_of_pillow_but_for_rounding():
    data = encode(PICTURE.convert("CMYK"), "JPEG")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_allclose(decode_image(data), expected, atol=2)


def test_16_bits_of_grey_keep_their_upper_8():
    data = encode(GREY_16, "PNG")
    pixels = decode_image(data)
    expected = np.asarray(GREY_16) >> 8
    np.testing.assert_array_equal(pixels, np.stack([expected] * 3, axis=-1))
    assert pixels.min() == 0 and pixels.max() == 255


def test_16_bits_of_colour_keep_their_upper_8():
    colours = np.random.default_rng(0).integers(0, 65536, (4, 5, 3), np.uint16)
    data = tf.io.encode_png(colours).numpy()
    np.testing.assert_array_equal(decode_image(data), colours >> 8)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_laid_on_white(kind):
    data = encode(TRANSPARENT, kind, lossless=True)
    colours = np.asarray(PICTURE, float)
    alpha = np.asarray(TRANSPARENT.getchannel("A"), float)[:, :, None] / 255
    expected = alpha * colours + (1 - alpha) * 255
    visible = (alpha > 0)[:, :, 0]  # WebP may drop what cannot be seen
    difference = np.abs(decode_image(data) - expected)
    assert difference[visible].max() <= 1
    assert (decode_image(data)[~visible] == 255).all()


def test_palettes_become_their_colours_and_their_transparency_white():
    palette = PICTURE.quantize(8)
    expected = np.array(palette.convert("RGB"))
    np.testing.assert_array_equal(decode_image(encode(palette, "PNG")), expected)
    expected[np.asarray(palette) == 3] = 255
    data = encode(palette, "PNG", transparency=3)
    np.testing.assert_array_equal(decode_image(data), expected)


def test_a_transparent_colour_of_a_png_becomes_white():
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (1, 2, 3))
    data = encode(image, "PNG", transparency=(1, 2, 3))
    assert decode_image(data)[0].tolist() == [[10, 20, 30], [255, 255, 255]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_images_as_their_exif_says(kind, orientation):
    data = encode(PICTURE, kind, exif=exif(orientation))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(decode_image(data), np.asarray(expected))
    assert expected.size == ((32, 24) if orientation < 5 else (24, 32))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_takes_the_first_frame_of_an_animation(kind):
    data = encode(PICTURE, kind, **ANIMATION)
    first = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(decode_image(data), np.asarray(first.convert("RGB")))


def test_black_and_white_images_become_0_and_255():
    pixels = decode_image(encode(PICTURE.convert("1"), "PNG"))
    assert set(np.unique(pixels)) == {0, 255}


def test_refuses_an_empty_file_by_name(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(ValueError, match=r"empty\.jpg must hold .* empty \(0 bytes\)"):
        read_image(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_refuses_a_truncated_image_by_name(tmp_path, kind):
    data = encode(picture(90, 120), kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cut\.img must be a .*image"):
        read_image(path)


def test_refuses_text_named_jpg_a_folder_and_nothing(tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"text\.jpg must be a JPEG, PNG, GIF, BMP"):
        read_image(text)
    with pytest.raises(ValueError, match="must be a file; it is a folder"):
        read_image(tmp_path)
    with pytest.raises(ValueError, match=r"gone\.jpg must exist"):
        read_image(tmp_path / "gone.jpg")


def test_refuses_too_many_pixels_before_it_decodes_them(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png())
    assert path.stat().st_size < 2_000_000
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"bomb\.png must .* max_pixels=67,108,864"):
        read_image(path)
    assert time.monotonic() - began < 0.5
    with pytest.raises(ValueError, match=r"max_pixels=700 .* 768 \(32 x 24\)"):
        decode_image(encode(PICTURE, "JPEG"), max_pixels=700)


def test_refuses_too_many_scans_before_it_decodes_them():
    data = encode(PICTURE, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    many = data[:start] + data[start:-2] * 100 + data[-2:]
    message = r"16 times max_pixels=2,000 .* it has 109 scans of 32 x 24 pixels"
    with pytest.raises(ValueError, match=message):
        decode_image(many, max_pixels=2_000)
    assert decode_image(data, max_pixels=2_000).shape == (24, 32, 3)
    with pytest.raises(ValueError, match="more than 1,000 segments and scans"):
        decode_image(data[:start] + data[start:-2] * 20_000 + data[-2:])


def test_refuses_a_large_canvas_of_an_animation_before_it_decodes_it():
    data = bytearray(encode(PICTURE, "WEBP", **ANIMATION))
    data[24:30] = b"\xff\x3f\0\xff\x3f\0"
    with pytest.raises(ValueError, match=r"max_pixels=.*268,435,456"):
        decode_image(bytes(data))


def test_refuses_too_many_bytes_before_it_reads_them(tmp_path):
    path = tmp_path / "large.bmp"
    path.write_bytes(encode(PICTURE, "BMP"))
    with pytest.raises(ValueError, match=r"large\.bmp .* max_bytes=99 bytes; it has"):
        read_image(path, max_bytes=99)


def test_damaged_files_raise_value_errors_only():
    random = np.random.default_rng(0)
    refused = 0
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
        data = encode(PICTURE, kind)
        for _ in range(40):
            damaged = bytearray(data)
            for place in random.integers(0, len(data), 8):
                damaged[place] = random.integers(0, 256)
            try:
                decode_image(bytes(damaged), max_pixels=1_000_000)
            except ValueError:
                refused += 1
    assert refused > 50


def test_refuses_a_jpeg_that_lies_about_its_size():
    data = encode(PICTURE, "JPEG")
    place = data.index(b"\xff\xc0") + 5
    lying = data[:place] + struct.pack(">HH", 60_000, 60_000) + data[place + 4 :]
    with pytest.raises(ValueError, match="max_pixels"):
        decode_image(lying)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_resizes_one_image_and_many_alike_without_rounding(dtype):
    images = np.stack([picture(seed=seed) for seed in range(2)]).astype(dtype)
    resized = resize_images(images, 20)
    assert resized.dtype == tf.float32 and resized.shape == (2, 20, 20, 3)
    np.testing.assert_array_equal(resized[1], resize_images(images[1], 20))
    assert (resized.numpy() % 1 != 0).any()


def test_resizing_is_bilinear_between_pixel_centres():
    image = np.array([[0, 100]], "uint8")[:, :, None]
    assert resize_images(image, 4)[0, :, 0].numpy().tolist() == [0, 25, 75, 100]
    same = resize_images(np.ones((4, 4, 3), "uint8"), 4)
    assert same.dtype == tf.float32
