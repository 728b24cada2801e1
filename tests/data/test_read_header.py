import io
import struct
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.data.read_header import (
    FORMATS,
    first_gif_frame,
    first_webp_frame,
    number_at,
    read_header,
    within_limits,
)
from tests.data.files import encode, picture, png_chunk

PICTURE = picture()


def read(data):
    return read_header(tf.constant(data))


def tiff(value, *, kind=3, order=">", count=1):
    head = b"MM\0*" if order == ">" else b"II*\0"
    number = struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", 0x0112, kind, count) + number
    return head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def xmp(value):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
        f'tiff:Orientation="{value}"/></x:xmpmeta>'
    ).encode()


def with_chunk(png, kind, content):
    return png[:33] + png_chunk(kind, content) + png[33:]


@pytest.mark.parametrize(("order", "value"), [("little", 0x030201), ("big", 0x010203)])
def test_reads_numbers_in_both_orders(order, value):
    assert int(number_at(tf.constant(b"\xff\x01\x02\x03"), 1, 3, order)) == value


@pytest.mark.parametrize("kind", FORMATS)
def test_reads_format_and_size(kind):
    header = read(encode(PICTURE, kind))
    assert FORMATS[header.format] == kind
    assert (int(header.height), int(header.width), int(header.scans)) == (24, 32, 1)
    assert bool(header.plain) == (kind in ("JPEG", "PNG")) and header.decodable


def test_knows_no_other_file():
    for data in (b"", b"text", encode(PICTURE, "TIFF")):
        header = read(data)
        assert int(header.format) == -1 and not header.decodable


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
def test_reads_the_orientation_of_exif_in_every_container(kind, order):
    own = tiff(6, kind=kind, order=order)
    png = encode(PICTURE, "PNG")
    for data in (
        encode(PICTURE, "JPEG", exif=b"Exif\0\0" + own),
        encode(PICTURE, "WEBP", exif=b"Exif\0\0" + own),
        encode(PICTURE, "WEBP", exif=own),
        with_chunk(png, b"eXIf", own),
    ):
        assert int(read(data).orientation) == 6


def test_reads_the_orientation_of_xmp_in_every_container():
    png = encode(PICTURE, "PNG")
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(8)
    for data in (
        encode(PICTURE, "JPEG", xmp=xmp(8)),
        encode(PICTURE, "WEBP", xmp=xmp(8)),
        with_chunk(png, b"iTXt", text),
    ):
        assert int(read(data).orientation) == 8
    both = encode(PICTURE, "JPEG", xmp=xmp(8), exif=b"Exif\0\0" + tiff(3))
    assert int(read(both).orientation) == 3


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x00",
        b"Exif\0\0",
        b"no exif",
        b"Exif\0\0" + tiff(9),
        b"Exif\0\0" + tiff(6, count=2),
    ],
)
def test_does_not_turn_a_jpeg_whose_exif_is_damaged(exif):
    assert int(read(encode(PICTURE, "JPEG", exif=exif)).orientation) == 1


def test_leaves_compressed_text_of_a_png_to_pillow():
    png = encode(PICTURE, "PNG")
    packed = with_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0anything")
    profile = with_chunk(png, b"zTXt", b"Raw profile type exif\0\0anything")
    assert not read(packed).decodable and not read(profile).decodable


def scans_of(data, count):
    """Repeats the last scan of a progressive JPEG."""
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def test_counts_the_scans_of_a_jpeg_and_those_behind_false_ends():
    data = encode(PICTURE, "JPEG", progressive=True)
    usual = int(read(data).scans)
    assert usual == data.count(b"\xff\xda") == 10
    many = scans_of(data, 500)
    assert int(read(many).scans) == usual + 499
    # A comment may hold the bytes that end a file.
    start = many.index(b"\xff\xda")
    hidden = many[:start] + b"\xff\xfe\0\x06\xff\xd9\xff\xd9" + many[start:]
    assert int(read(hidden).scans) == usual + 499
    # What follows the end of the file, such as a video, does not count.
    assert int(read(data + b"\xff\xda\0\x02" * 9).scans) == usual


def test_limits_the_pixels_of_all_scans():
    header = read(scans_of(encode(PICTURE, "JPEG", progressive=True), 23))
    assert int(header.scans) == 32
    assert within_limits(header, 2 * 32 * 24)
    assert not within_limits(header, 2 * 32 * 24 - 1)
    huge = tf.constant(2**32 - 1, tf.int64)
    assert not within_limits(header._replace(height=huge, width=huge), 50_000_000)


def test_refuses_too_many_parts_at_once():
    jpeg = encode(PICTURE, "JPEG", progressive=True)
    webp = encode(PICTURE, "WEBP", exif=b"Exif\0\0" + tiff(6))
    gif = encode(PICTURE, "GIF")
    for data, message in (
        (scans_of(jpeg, 20_000), "1,000 segments and scans"),
        (jpeg[:2] + b"\xff\xfe\0\2" * 1_000_000 + jpeg[2:], "1,000 segments and scans"),
        (webp + b"JUNK\0\0\0\0" * 1_000_000, "2,000 chunks"),
        (gif[:781] + b"!\xfe\1a\0" * 1_000_000 + gif[781:], "too many blocks"),
    ):
        began = time.process_time()
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            read(data)
        assert time.process_time() - began < 20  # seconds of all threads; minutes else


@pytest.mark.parametrize("size", [254, 255])
def test_passes_many_blocks_of_one_length_at_once(size):
    gif = encode(PICTURE, "GIF")
    comment = b"!\xfe" + (bytes([size]) + bytes(size)) * 20_000 + b"\0"
    assert int(read(gif[:781] + comment + gif[781:]).height) == 24


def test_cuts_a_gif_behind_its_first_frame():
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    gif = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    frame = first_gif_frame(tf.constant(gif))
    assert (int(frame.height), int(frame.width)) == (7, 9)
    image = Image.open(io.BytesIO(frame.content.numpy()))
    assert image.n_frames == 1
    np.testing.assert_array_equal(image.convert("RGB"), frames[0])


def test_cuts_a_webp_behind_its_first_frame():
    frames = [picture(20, 30, seed=seed) for seed in range(3)]
    webp = encode(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True
    )
    frame = first_webp_frame(tf.constant(webp))
    assert (int(frame.height), int(frame.width)) == (20, 30)
    image = Image.open(io.BytesIO(frame.content.numpy()))
    assert image.n_frames == 1
    np.testing.assert_array_equal(image.convert("RGB"), frames[0])
