import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.data.build_from_listing import FileLoader
from kmlic.data.decoding import decode_image, inspect_image, resize_images
from kmlic.data.read_resized import read_resized
from kmlic.export.decode_bytes import decode_bytes
from tests.data.fuzz import damage

SIZE = 24


@pytest.fixture(scope="module")
def decode():
    # In a graph, where errors behave otherwise than eagerly.
    return tf.function(
        lambda contents: decode_bytes(contents, image_size=SIZE, max_bytes=200_000),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((61, 40), Image.Resampling.BICUBIC)


def translucent():
    alpha = np.random.default_rng(1).integers(0, 256, (40, 61), dtype=np.uint8)
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned_by(orientation):
    exif = Image.Exif()
    exif[0x010F] = "a maker, to stand before the orientation"
    exif[0x0112] = orientation
    return exif


def turned(orientation):
    return encode(picture(), "JPEG", exif=turned_by(orientation))


def turned_big_endian(orientation):
    header = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"
    exif = header + bytes([orientation]) + bytes(6)
    return encode(picture(), "JPEG", exif=exif)


def sixteen_bits():
    grey = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    return Image.fromarray(grey)


FRAMES = [picture().rotate(angle) for angle in (0, 90, 180)]
ANIMATED = {"save_all": True, "append_images": FRAMES[1:]}
WHOLE = {
    "jpeg": encode(picture(), "JPEG"),
    "progressive jpeg": encode(picture(), "JPEG", progressive=True),
    "cmyk jpeg": encode(picture().convert("CMYK"), "JPEG"),
    "grey jpeg": encode(picture().convert("L"), "JPEG"),
    **{f"jpeg turned by {way}": turned(way) for way in range(10)},
    "jpeg turned by 6, big-endian": turned_big_endian(6),
    "png": encode(picture(), "PNG"),
    "translucent png": encode(translucent(), "PNG"),
    "translucent grey png": encode(translucent().convert("LA"), "PNG"),
    "16-bit png": encode(sixteen_bits(), "PNG"),
    "1-bit png": encode(picture().convert("1"), "PNG"),
    "2-bit png": encode(picture().quantize(4), "PNG", bits=2),
    "palette png": encode(picture().quantize(16), "PNG"),
    "transparent palette png": encode(picture().quantize(16), "PNG", transparency=3),
    "gif": encode(picture(), "GIF"),
    "transparent gif": encode(picture().quantize(16), "GIF", transparency=3),
    "animated gif": encode(FRAMES[0], "GIF", **ANIMATED),
    "bmp": encode(picture(), "BMP"),
    "32-bit bmp": encode(translucent(), "BMP"),
    "palette bmp": encode(picture().quantize(16), "BMP"),
    "webp": encode(picture(), "WEBP"),
    "lossless webp": encode(picture(), "WEBP", lossless=True),
    "translucent webp": encode(translucent(), "WEBP"),
    "animated webp": encode(FRAMES[0], "WEBP", **ANIMATED),
    "turned png": encode(picture(), "PNG", exif=turned_by(6)),
    "turned webp": encode(picture(), "WEBP", exif=turned_by(6)),
}
BROKEN = {
    "empty": b"",
    "text": b"no image at all",
    "tiff": encode(picture(), "TIFF"),
    "avif": encode(picture(), "AVIF"),
    # The start of a photo of a phone, and all that tells that it is one.
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
    "truncated jpeg": WHOLE["jpeg"][:600],
    "jpeg without an end to its header": WHOLE["jpeg"][:30],
    "start of a jpeg": b"\xff\xd8\xff",
    "truncated png": WHOLE["png"][:200],
    "start of a png": WHOLE["png"][:8],
    "truncated gif": WHOLE["gif"][:900],
    "start of a gif": b"GIF89a",
    "truncated bmp": WHOLE["bmp"][:100],
    "1-bit bmp": encode(picture().convert("1"), "BMP"),
    "truncated webp": WHOLE["webp"][:100],
    "start of a webp": b"RIFF",
    "20,000 x 20,000 png": encode(Image.new("1", (20_000, 20_000)), "PNG"),
    "too many bytes": WHOLE["png"] + bytes(200_000),
}


@pytest.mark.parametrize("name", WHOLE)
def test_gives_the_pixels_that_training_sees(decode, name):
    images, ok = decode(tf.constant([WHOLE[name]]))
    assert ok.numpy().tolist() == [True]
    expected = resize_images(decode_image(WHOLE[name]), SIZE)
    np.testing.assert_array_equal(images[0], expected)


@pytest.mark.parametrize("name", BROKEN)
def test_marks_what_is_broken_and_nothing_beside_it(decode, name):
    images, ok = decode(tf.constant([WHOLE["png"], BROKEN[name], WHOLE["webp"]]))
    assert ok.numpy().tolist() == [True, False, True]
    np.testing.assert_array_equal(images[1], np.zeros((SIZE, SIZE, 3)))
    for row, kind in ((0, "png"), (2, "webp")):
        expected = resize_images(decode_image(WHOLE[kind]), SIZE)
        np.testing.assert_array_equal(images[row], expected)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_gives_a_batch_without_a_single_whole_image(decode, count):
    images, ok = decode(tf.constant([b"broken"] * count, tf.string))
    assert images.shape == (count, SIZE, SIZE, 3)
    assert ok.numpy().tolist() == [False] * count


def test_keeps_the_order_of_many(decode):
    names = sorted(WHOLE) * 3
    images, ok = decode(tf.constant([WHOLE[name] for name in names]))
    assert ok.numpy().all()
    alone = {name: decode(tf.constant([WHOLE[name]]))[0][0] for name in WHOLE}
    np.testing.assert_array_equal(images, [alone[name] for name in names])


def test_does_not_look_at_frames_behind_the_first(decode):
    # The second frame of 65,535 x 65,535 would take 12 GB.
    gif = WHOLE["gif"][:-1] + b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\0;"
    images, ok = decode(tf.constant([gif]))
    assert ok.numpy().tolist() == [True]
    np.testing.assert_array_equal(images, decode(tf.constant([WHOLE["gif"]]))[0])


@pytest.mark.parametrize(("mode", "orientation"), [("RGB", 1), ("RGB", 6), ("CMYK", 1)])
def test_large_jpegs_are_decoded_at_a_part_of_their_size_as_in_training(
    decode, tmp_path, mode, orientation
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = picture().resize((431, 240)).convert(mode)
    path = tmp_path / "large.jpg"
    path.write_bytes(encode(large, "JPEG", exif=exif))
    images, ok = decode(tf.constant([path.read_bytes()]))
    assert ok.numpy().tolist() == [True]
    np.testing.assert_array_equal(images[0], read_resized(path, SIZE))
    trained = FileLoader(SIZE).any((str(path), inspect_image(path.read_bytes()).turn))
    assert max(trained.shape) < 431 and trained.shape[0] >= 2 * SIZE
    np.testing.assert_array_equal(images[0], resize_images(trained, SIZE))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_give_the_same_as_in_training_or_an_error_in_both(decode, seed):
    random = np.random.default_rng(seed)
    kinds = [name for name in WHOLE if not name.startswith("jpeg turned")]
    differ = []
    for _ in range(50):
        names = random.choice(kinds, 60)
        files = [damage(WHOLE[name], random) for name in names]
        images, ok = decode(tf.constant(files))
        for name, data, image, is_ok in zip(names, files, images, ok, strict=True):
            try:
                pixels = decode_image(data, image_size=SIZE, max_bytes=200_000)
                expected = resize_images(pixels, SIZE)
            except ValueError:
                expected = None
            if bool(is_ok) != (expected is not None) or (
                is_ok and not np.array_equal(image, expected)
            ):
                differ.append(str(name))
    # What one random byte turns into a kind of BMP that only Pillow knows.
    assert len(differ) <= 3 and all("bmp" in name for name in differ)
