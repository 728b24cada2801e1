"""Common JPEG and PNG files, decoded without TensorFlow to the same pixels."""

import io
import itertools
import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from kmlic.data.image_header import ImageHeader
from kmlic.data.limits import REDUCTIONS, SCANS

# As in kmlic.data.read_header, which would import TensorFlow.
_MOST_SEGMENTS = 1000
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_RGBA = 6  # the type of colour in a PNG
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# Baseline, extended and progressive JPEG with Huffman coding.
_FRAMES = b"\xc0\xc1\xc2"
_OTHER_FRAMES = b"\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf"
# What may turn a PNG, make parts of it transparent or animate it.
_PNG_EXTRAS = re.compile(rb"tRNS|eXIf|acTL|XML:com\.adobe\.xmp|Raw profile type exif")


class _Header(NamedTuple):
    width: int
    height: int
    orientation: int = 1
    scans: int = 1


def decode_common(
    data: bytes, *, image_size: int | None, max_pixels: int
) -> np.ndarray | None:
    """Decodes a common JPEG or PNG to RGB pixels 0-255, or returns None.

    It returns the pixels of `kmlic.data.decode_image`, or None for any file that it
    does not know or that breaks a rule; then `decode_image` must be asked.

    Shapes: bytes to (H, W, 3) uint8.

    Args:
        data: the complete file.
        image_size: see `kmlic.data.decode_image`.
        max_pixels: see `kmlic.data.limits.Limits`.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (90, 70)).save(file, "JPEG")
        >>> data = file.getvalue()
        >>> decode_common(data, image_size=8, max_pixels=10_000).shape
        (18, 23, 3)
        >>> decode_common(data[:-200], image_size=8, max_pixels=10_000) is None
        True
    """
    image = open_common(data, max_pixels=max_pixels)
    return None if image is None else image.decode(image_size)


class CommonImage(NamedTuple):
    """Holds a common JPEG or PNG that is not decoded yet, see `open_common`.

    Args:
        data: the complete file.
        header: what `kmlic.data.inspect_image` says of it.
        orientation: 1-8, as in EXIF.
    """

    data: bytes
    header: ImageHeader
    orientation: int

    def decode(self, image_size: int | None = None) -> np.ndarray | None:
        """Decodes the image, or returns None, as `decode_common` does."""
        try:
            pixels = _decode(self.data, self.header, image_size)
        except Exception:  # Pillow's decoders raise errors of any type.
            return None
        return None if pixels is None else _turn_upright(pixels, self.orientation)


def open_common(data: bytes, *, max_pixels: int) -> CommonImage | None:
    """Reads the header of a common JPEG or PNG, or returns None.

    Args:
        data: the complete file.
        max_pixels: see `kmlic.data.limits.Limits`.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (90, 70)).save(file, "JPEG")
        >>> open_common(file.getvalue(), max_pixels=10_000).header
        ImageHeader(format='JPEG', width=90, height=70, turn=1)
    """
    is_jpeg = data.startswith(_JPEG)
    try:
        found = _read_jpeg(data) if is_jpeg else _read_png(data)
    except Exception:  # of any type, in a damaged file
        return None
    if found is None:
        return None
    pixels = found.width * found.height
    if not 0 < pixels <= min(max_pixels, Image.MAX_IMAGE_PIXELS or 0):
        return None
    if pixels * found.scans > SCANS * max_pixels:
        return None
    # A PNG may have transparency only where it has a fourth channel.
    turn = found.orientation if is_jpeg else int(data[25] != _RGBA)
    header = ImageHeader("JPEG" if is_jpeg else "PNG", found.width, found.height, turn)
    return CommonImage(data, header, found.orientation)


def _decode(
    data: bytes, header: ImageHeader, image_size: int | None
) -> np.ndarray | None:
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        sides = header.width, header.height
        if image.format not in ("JPEG", "PNG") or image.size != sides:
            return None
        if image.format == "JPEG" and image_size is not None:
            spare = min(sides) // (2 * image_size)
            part = max(part for part in REDUCTIONS if part <= max(spare, 1))
            if part > 1:
                image.draft(image.mode, (sides[0] // part, sides[1] // part))
        if image.mode == "RGBA":
            pixels = np.asarray(image)
            return pixels[..., :3] if (pixels[..., 3] == 255).all() else None
        if image.mode not in ("L", "RGB"):
            return None
        return np.asarray(image.convert("RGB"))


def _read_png(data: bytes) -> _Header | None:
    depth, colour = data[24], data[25]
    known = data.startswith(_PNG) and depth == 8 and colour in (0, 2, _RGBA)
    if not known or _PNG_EXTRAS.search(data):
        return None
    position, kind = len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        content = memoryview(data)[position + 4 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        if zlib.crc32(content) != checksum:
            return None  # Pillow does not check all of them
        position += 12 + length
    return _Header(*struct.unpack_from(">II", data, 16))


def _read_jpeg(data: bytes) -> _Header | None:
    position, segments, scans = 2, 0, 0
    sides: tuple[int, int] | None = None
    components = 0
    exact: set[tuple[int, int]] = set()  # components and their complete coefficients
    exif, xmp = b"", b""
    while (marker := _MARKER.search(data, position)) is not None:
        position = marker.start()
        kind = data[position + 1]
        if kind == 0xD9:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        content = data[position + 4 : position + 2 + length]
        segments += 1
        if segments >= _MOST_SEGMENTS or kind in _OTHER_FRAMES:
            return None
        if kind in _FRAMES:
            if sides is not None:
                return None
            height, width = struct.unpack_from(">HH", content, 1)
            sides, components = (width, height), content[5]
        if kind == 0xDA:
            scans += 1
            scanned = content[1 : 1 + 2 * content[0] : 2]
            first, last, precision = content[1 + 2 * content[0] :][:3]
            if precision % 16 == 0:
                exact.update(itertools.product(scanned, range(first, last + 1)))
        if kind == 0xE1 and not scans:
            if content.startswith(_EXIF) and not exif:
                exif = content
            elif content.startswith(_XMP):
                xmp = content
        position += 2 + length
    else:
        return None  # Pillow accepts some files without an end
    orientation = _exif_orientation(re.sub(rb"^(Exif\0\0)+", b"", exif))
    # Versions of libjpeg smooth an incomplete image in different ways.
    if sides is None or len(exact) != 64 * components:
        return None
    if orientation < 0 and b"tiff:Orientation" in xmp:
        return None
    return _Header(*sides, orientation if 1 <= orientation <= 8 else 1, scans)


def _exif_orientation(tiff: bytes) -> int:
    """Reads the orientation that the first table of EXIF data holds, or -1."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return -1
    padded = tiff + bytes(8)
    table = min(struct.unpack_from(f"{order}I", padded, 4)[0], len(tiff))
    count = struct.unpack_from(f"{order}H", padded, table)[0]
    count = min(count, max(len(tiff) - table - 2, 0) // 12)
    for start in range(table + 2, table + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, start)
        if tag == 0x0112 and number == 1 and kind in (3, 4):
            size = "H" if kind == 3 else "I"
            return struct.unpack_from(f"{order}{size}", tiff, start + 8)[0]
    return -1


def _turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image
