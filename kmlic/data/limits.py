"""Limits of the image files that are read."""

from typing import TypedDict

from kmlic.check_limits import MAX_BYTES

# Times that a JPEG of the most pixels may pass over them; photographs have 10 scans.
SCANS = 16
# A JPEG can be decoded at one over these of its size.
REDUCTIONS = (1, 2, 4, 8)


class Limits(TypedDict, total=False):
    """Limits the images that are read, before they are decoded.

    Args:
        max_bytes: largest size of a file; `MAX_BYTES` when left out.
        max_pixels: largest width times height; `MAX_PIXELS` when left out. A JPEG may
            pass over that many pixels 16 times, or more often over fewer.
    """

    max_bytes: int
    max_pixels: int


def require_bytes(data: bytes, name: str, limits: Limits) -> None:
    """Refuses an image file that is empty or larger than its limit.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    max_bytes = limits.get("max_bytes", MAX_BYTES)
    if not data:
        raise ValueError(f"{name} must hold an image; it is empty (0 bytes).")
    if len(data) > max_bytes:
        raise ValueError(
            f"{name} must have at most max_bytes={max_bytes:,} bytes; it has "
            f"{len(data):,}."
        )
