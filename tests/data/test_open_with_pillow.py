import io
import re
import sys

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from kmlic.data import decode_image, from_folder, inspect_image, resize_images
from kmlic.data.open_with_pillow import pillow_format
from tests.data.files import encode, picture

PICTURE = picture(48, 64)
TRANSPARENT = PICTURE.copy()
TRANSPARENT.putalpha(Image.linear_gradient("L").resize(PICTURE.size))


@pytest.fixture(autouse=True, scope="module")
def heif():
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()  # so that Pillow writes them too


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("kind", ["TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_decodes_to_the_pixels_of_pillow(kind, mode):
    data = encode(TRANSPARENT if mode == "RGBA" else PICTURE.convert(mode), kind)
    image = Image.open(io.BytesIO(data))
    white = Image.new("RGBA", image.size, "white")
    expected = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    np.testing.assert_array_equal(decode_image(data), np.asarray(expected))
    header = inspect_image(data)
    assert (header.format, header.width, header.height) == (kind, 64, 48)
    assert header.turn == 0 and pillow_format(data[:64]) == kind


@pytest.mark.parametrize("kind", ["TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_turns_images_as_their_exif_says(kind, orientation):
    data = encode(PICTURE, kind, exif=exif(orientation).tobytes(), quality=95)
    flat = Image.new("RGB", PICTURE.size)
    flat.paste(PICTURE)
    flat.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(flat), int)
    found = decode_image(data)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4


def test_decodes_every_kind_of_tiff():
    grey = Image.fromarray(np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype("u2"))
    expected = np.asarray(grey) >> 8
    pixels = decode_image(encode(grey, "TIFF"))
    np.testing.assert_array_equal(pixels, np.stack([expected] * 3, axis=-1))
    for image in (PICTURE.quantize(8), PICTURE.convert("1"), PICTURE.convert("CMYK")):
        for compression in ("raw", "tiff_lzw", "tiff_deflate"):
            data = encode(image, "TIFF", compression=compression)
            expected = np.asarray(image.convert("RGB"))
            np.testing.assert_array_equal(decode_image(data), expected)
    pages = encode(PICTURE, "TIFF", save_all=True, append_images=[picture(9, 9)])
    np.testing.assert_array_equal(decode_image(pages), np.asarray(PICTURE))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_refuses_values_without_a_largest_one(mode):
    with pytest.raises(ValueError, match=r"x\.tif must .* 32 bits per value; save it"):
        decode_image(encode(PICTURE.convert(mode), "TIFF"), name="x.tif")


def test_several_images_in_a_jpeg_are_its_first():
    data = encode(PICTURE, "MPO", save_all=True, append_images=[picture(9, 9)])
    np.testing.assert_array_equal(
        decode_image(data), np.asarray(Image.open(io.BytesIO(data)))
    )


@pytest.mark.parametrize("kind", ["TIFF", "HEIF", "AVIF"])
def test_refuses_damaged_files_by_name(kind):
    data = encode(picture(200, 300, cells=9), kind, quality=90)
    for cut in (20, 70, len(data) // 2):
        with pytest.raises(ValueError, match=r"cut\.x must be a .*image"):
            decode_image(data[:cut], name="cut.x")
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for position in random.integers(8, len(data), 8):
            damaged[position] = random.integers(0, 256)
        try:
            decode_image(bytes(damaged), max_pixels=1_000_000)
        except ValueError as error:  # any other error fails
            assert str(error).startswith("the image ")


@pytest.mark.parametrize("kind", ["TIFF", "HEIF", "AVIF"])
def test_limits_pixels_before_decoding(kind, monkeypatch):
    data = encode(PICTURE, kind)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with pytest.raises(ValueError, match=r"max_pixels=3,000 pixels; it has 3,072"):
        decode_image(data, max_pixels=3_000)


def test_names_the_limit_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"a\.tif is too large for Pillow: .* 20 pix"):
        decode_image(encode(PICTURE, "TIFF"), name="a.tif")
    assert decode_image(encode(PICTURE, "HEIF")).shape == (48, 64, 3)


def test_limits_the_tiles_of_a_tiff():
    # The tags of rows per strip and of the configuration, which need not be there.
    data = encode(PICTURE, "TIFF")
    for old, new in ((278, 322), (284, 323)):
        tag = re.escape(old.to_bytes(2, "little")) + b"[\3\4]\0\1\0\0\0"
        start = re.search(tag, data).start()
        entry = new.to_bytes(2, "little") + b"\x03\0\x01\0\0\0\x60\xea\0\0"
        data = data[:start] + entry + data[start + 12 :]
    with pytest.raises(ValueError, match="it has 3,600,000,000"):
        decode_image(data)


@pytest.mark.parametrize("brand", ["heic", "mif1"])
def test_names_the_extra_that_is_missing(monkeypatch, brand):
    data = encode(PICTURE, "HEIF")
    data = data[:8] + brand.encode() + data[12:]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ValueError, match=r"a\.heic .* pip install 'kmlic\[heif\]'"):
        decode_image(data, name="a.heic")


def test_names_what_avif_needs(monkeypatch):
    monkeypatch.setattr("kmlic.data.open_with_pillow.features.check", lambda _: False)
    with pytest.raises(ValueError, match=r"a\.avif .* Pillow .* built with libavif"):
        decode_image(encode(PICTURE, "AVIF"), name="a.avif")


def test_a_training_sees_the_pixels_that_predict_sees(tmp_path):
    kinds = {"a.HEIC": "HEIF", "b.avif": "AVIF", "c.tif": "TIFF", "d.jfif": "JPEG"}
    for number in range(3):
        for name, kind in kinds.items():
            folder = tmp_path / f"label{number % 2}"
            folder.mkdir(exist_ok=True)
            image = picture(300, 200, seed=number)
            data = encode(image, kind, exif=exif(6).tobytes())
            (folder / f"{number}{name}").write_bytes(data)
    data = from_folder(tmp_path, image_size=16, batch_size=1, fractions=(0.4, 0.2, 0.4))
    assert sum(data.sizes.values()) == 12
    for path, (pixels, _) in zip(data.paths["test"], data.test, strict=True):
        content = (tmp_path / path).read_bytes()
        expected = resize_images(decode_image(content, image_size=16), 16)
        np.testing.assert_array_equal(pixels[0], expected)
