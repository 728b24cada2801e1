import warnings

import numpy as np
import pytest
from PIL import Image

from kmlic.data import decode_image
from kmlic.data.decode_common import decode_common
from tests.data.files import encode, picture
from tests.data.fuzz import damage
from tests.shared import shared_path

MOST = 50_000_000
PICTURE = picture(200, 301, cells=6)
OPAQUE, CLEAR = PICTURE.convert("RGBA"), PICTURE.convert("RGBA")
CLEAR.putalpha(Image.linear_gradient("L").resize(PICTURE.size))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def require_same_pixels(data, size=None):
    """Compares with the decoder of TensorFlow, and says whether there were pixels."""
    found = decode_common(data, image_size=size, max_pixels=MOST)
    if found is not None:
        expected = decode_image(data, image_size=size, max_pixels=MOST)
        np.testing.assert_array_equal(found, expected)
    return found is not None


@pytest.mark.parametrize("size", [None, 200, 50, 25, 12, 1])
@pytest.mark.parametrize(
    "data",
    [
        encode(PICTURE, "JPEG", quality=95),
        encode(PICTURE, "JPEG", progressive=True, subsampling=0),
        encode(PICTURE.convert("L"), "JPEG", restart_marker_blocks=3),
        encode(PICTURE, "PNG"),
        encode(PICTURE.convert("L"), "PNG"),
        encode(OPAQUE, "PNG"),
        *(encode(PICTURE, "JPEG", exif=exif(turn)) for turn in range(10)),
    ],
)
def test_decodes_to_the_pixels_of_tensorflow(data, size):
    assert require_same_pixels(data, size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        encode(PICTURE, "GIF"),
        encode(PICTURE, "WEBP"),
        encode(PICTURE, "BMP"),
        encode(CLEAR, "PNG"),
        encode(PICTURE.convert("P"), "PNG"),
        encode(PICTURE.convert("I;16"), "PNG"),
        encode(PICTURE, "PNG", exif=exif(6)),
        encode(PICTURE.convert("CMYK"), "JPEG"),
        encode(PICTURE, "JPEG", xmp=b'<x tiff:Orientation="6"/>'),
        encode(PICTURE, "JPEG")[:-2],
        encode(PICTURE, "PNG")[:-100],
        encode(PICTURE, "JPEG").replace(
            b"\xff\xdb", 999 * b"\xff\xfe\0\2" + b"\xff\xdb", 1
        ),
    ],
)
def test_leaves_everything_else_to_tensorflow(data):
    assert decode_common(data, image_size=None, max_pixels=MOST) is None


def test_leaves_what_breaks_a_limit_to_tensorflow(monkeypatch):
    data = encode(PICTURE, "JPEG", progressive=True)
    pixels = PICTURE.width * PICTURE.height
    assert decode_common(data, image_size=None, max_pixels=pixels) is not None
    assert decode_common(data, image_size=None, max_pixels=pixels - 1) is None
    # A scan of a progressive JPEG, repeated until it passes over too many pixels.
    scan = data.rindex(b"\xff\xda")
    slow = data[:-2] + 20 * data[scan:-2] + data[-2:]
    assert decode_common(slow, image_size=None, max_pixels=pixels) is None
    # Pillow would warn of a larger image on standard error.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels - 1)
    with warnings.catch_warnings(action="error"):
        assert decode_common(data, image_size=None, max_pixels=pixels) is None


def test_decodes_damaged_files_to_the_same_pixels_or_leaves_them():
    random = np.random.default_rng(0)
    originals = [
        encode(picture(60, 80, seed=1), "JPEG", exif=exif(6)),
        encode(picture(60, 80, seed=2), "JPEG", progressive=True),
        encode(picture(60, 80, seed=3), "PNG"),
    ]
    decoded = 0
    for number in range(600):
        decoded += require_same_pixels(damage(originals[number % 3], random), 16)
    assert 100 < decoded < 500


def test_decodes_real_photos_and_hostile_files_to_the_same_pixels():
    photos = sorted(shared_path("data/coco_subset").rglob("*.jpg"))[:30]
    files = [path for path in shared_path("cases").rglob("*") if path.is_file()]
    small = [path for path in files if path.stat().st_size < 300_000]
    assert all(require_same_pixels(path.read_bytes(), 224) for path in photos)
    decoded = sum(require_same_pixels(path.read_bytes(), 32) for path in small)
    assert decoded > len(small) / 4
