"""Image and CSV files, right and wrong, that the tests of this room write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(height=24, width=32, seed=0, cells=4):
    """Draws smooth colours, so that JPEG keeps them; more cells give more detail."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (cells, cells, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def huge_png(side=20_000):
    """Makes a valid grey PNG of side x side zeros, whose rows repeat one block."""
    compressor = zlib.compressobj(1)
    rows = bytes((side + 1) * 100)
    content = b"".join(compressor.compress(rows) for _ in range(side // 100))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
            png_chunk(b"IDAT", content + compressor.flush()),
            png_chunk(b"IEND", b""),
        )
    )


def write_dataset(folder, rows=30, *, kind="PNG", header="path,labels", names="abc"):
    """Writes pictures and a labels.csv in which label i marks every (i + 2)nd row."""
    lines = [header]
    for row in range(rows):
        present = [name for i, name in enumerate(names) if row % (i + 2) == 0]
        path = f"{row:03}.{kind.lower()}"
        data = encode(picture(seed=row, height=20 + row % 5), kind)
        (folder / path).write_bytes(data)
        lines.append(f"{path},{'|'.join(present)}")
    return write_csv(folder, lines)


def write_csv(folder, lines):
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
