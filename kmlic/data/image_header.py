"""What the header of an image file says."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ImageHeader:
    """Holds the format, size and orientation of an image file.

    Args:
        format: "JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "HEIF" or "AVIF".
        width: in pixels, as stored, before any EXIF rotation.
        height: in pixels, as stored.
        turn: orientation, 1-8, of an image that `decode_plain` decodes correctly apart
            from it: a JPEG, or an 8-bit grey or RGB PNG that is upright and has no
            transparency. 0 for other images.
    """

    format: str
    width: int
    height: int
    turn: int

    @property
    def plain(self) -> bool:
        """Returns whether `decode_plain` decodes the image correctly.

        Example:
            >>> ImageHeader("PNG", 3, 2, turn=1).plain
            True
        """
        return self.turn == 1
