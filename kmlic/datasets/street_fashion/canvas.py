"""The canvas of street_fashion: masks of outlines, light, sampled tiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kmlic.datasets.street_fashion.textures import TILE, Colour

IMAGE_SIZE = 128
SIDE = 2 * IMAGE_SIZE  # pictures are drawn at twice their size, outlines at four times

PALETTE: dict[str, Colour] = {
    "black": (34, 33, 38),
    "white": (238, 235, 228),
    "grey": (138, 140, 145),
    "red": (196, 36, 44),
    "yellow": (240, 198, 52),
    "green": (56, 124, 72),
    "blue": (46, 88, 172),
    "purple": (122, 62, 152),
    "pink": (238, 142, 172),
    "brown": (136, 92, 58),
}
_HALF_TURN = np.linspace(-np.pi / 2, np.pi / 2, 7)
_ROUND_END = np.stack([np.cos(_HALF_TURN), np.sin(_HALF_TURN)], 1)


@dataclass(frozen=True)
class Mask:
    """Holds the share of each pixel that a shape covers, within a rectangle.

    Shapes: `cover` is (H, W), float32, 0 to 1.

    Args:
        top: first row of the rectangle on the canvas.
        left: first column of the rectangle on the canvas.
        cover: the shares.
    """

    top: int
    left: int
    cover: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """Returns the rectangle as an index of the canvas."""
        height, width = self.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Computes the coordinates y (H, 1) and x (1, W) of the rectangle's pixels."""
        height, width = self.cover.shape
        y = np.arange(self.top, self.top + height, dtype=np.float32)[:, None]
        x = np.arange(self.left, self.left + width, dtype=np.float32)[None, :]
        return y, x


class Scene:
    """Holds a picture while it is drawn, its light and the garment in each pixel.

    Shapes: `canvas` is (256, 256, 3), float32 pixels 0-255, stored colour by colour,
    which NumPy handles twice as fast; `owner` is (256, 256), 0 or 1 + the number of the
    garment that is visible there.

    Args:
        rng: source of every random choice in this picture.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.canvas = empty_picture(SIDE, SIDE)
        self.canvas[:] = 0
        self.owner = np.zeros((SIDE, SIDE), np.uint8)
        self.light = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.75))

    def fill(
        self,
        mask: Mask | None,
        colour: np.ndarray,
        opacity: float = 1.0,
        owner: int | None = None,
    ) -> None:
        """Paints one colour, or one per pixel, over the picture; records its owner."""
        if mask is not None:
            region, cover = self.canvas[mask.window], mask.cover
            if opacity != 1:
                cover = cover * np.float32(opacity)
            change = colour - region
            change *= cover[..., None]
            region += change
            if owner is not None:
                self.owner[mask.window][mask.cover > 0.5] = owner

    def tint(self, mask: Mask | None, brightness: float, opacity: float) -> None:
        """Darkens or lightens the picture, for seams and creases."""
        if mask is not None:
            change = mask.cover * np.float32(opacity * (brightness - 1))
            self.canvas[mask.window] *= (1 + change)[..., None]

    def darken(
        self, mask: Mask | None, amount: float, blur: float, dx: int, dy: int
    ) -> None:
        """Paints the soft shadow of a shape, moved by (dx, dy), on the picture."""
        if mask is None:
            return
        pad = int(2 * blur) + 1
        height, width = mask.cover.shape
        cover = np.zeros((height + 2 * pad, width + 2 * pad), np.uint8)
        cover[pad:-pad, pad:-pad] = mask.cover * 255
        image = Image.fromarray(cover).filter(ImageFilter.BoxBlur(blur))
        top, left = mask.top - pad + dy, mask.left - pad + dx
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + cover.shape[0], SIDE), min(left + cover.shape[1], SIDE)
        if y0 < y1 and x0 < x1:
            soft = np.asarray(image)[y0 - top : y1 - top, x0 - left : x1 - left]
            light = 1 - soft * np.float32(amount / 255)
            self.canvas[y0:y1, x0:x1] *= light[..., None]

    def fill_round(
        self,
        mask: Mask | None,
        x: float,
        half: float,
        colour: np.ndarray,
        depth: float = 0.95,
    ) -> None:
        """Paints an upright round object with its axis at x and half its width."""
        if mask is not None:
            _, columns = mask.grid()
            light = self.lit((columns - np.float32(x)) / np.float32(half), depth)
            self.fill(mask, illuminate(colour, light))

    def lit(self, turn: np.ndarray, depth: float = 0.95) -> np.ndarray:
        """Computes the brightness of a round surface; `turn` is -1 to 1 across it."""
        slope = np.clip(turn, -1, 1) * np.float32(depth)
        front = np.sqrt(1 - slope * slope)
        return 0.42 + 0.52 * front + np.float32(0.30 * self.light) * slope


def empty_picture(height: int, width: int) -> np.ndarray:
    """Returns a picture (H, W, 3) without values, stored colour by colour.

    Example:
        >>> empty_picture(2, 4)[..., 0].flags.c_contiguous
        True
    """
    return np.empty((3, height, width), np.float32).transpose(1, 2, 0)


def illuminate(colour: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Multiplies a colour, or one per pixel, by the light of each pixel.

    Shapes: (3,) or (H, W, 3), and (H, W) or (1, W), to (H, W, 3) or (1, W, 3).

    Example:
        >>> illuminate(tone(10, 20, 30), np.array([[0.5, 1.0]])).tolist()
        [[[5.0, 10.0, 15.0], [10.0, 20.0, 30.0]]]
    """
    if colour.ndim == 1:  # stored colour by colour
        return (colour[:, None, None] * light).transpose(1, 2, 0)
    return colour * light[..., None]


def tone(*values: float) -> np.ndarray:
    """Returns a colour as float32 array.

    Example:
        >>> tone(255, 0, 0).dtype
        dtype('float32')
    """
    return np.array(values, np.float32)


def dull_tone(
    rng: np.random.Generator, low: float = 70, high: float = 215
) -> np.ndarray:
    """Chooses a greyish colour with a brightness between two limits."""
    return (rng.uniform(low, high) + rng.normal(0, 16, 3)).astype(np.float32)


def round_corners(points: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Rounds a closed polygon by cutting its corners (Chaikin's algorithm)."""
    for _ in range(rounds):
        following = np.concatenate([points[1:], points[:1]])
        cut = np.empty((len(points), 2, 2))
        cut[:, 0] = 0.75 * points + 0.25 * following
        cut[:, 1] = 0.25 * points + 0.75 * following
        points = cut.reshape(-1, 2)
    return points


def ellipse(centre: np.ndarray, rx: float, ry: float, sides: int = 24) -> np.ndarray:
    """Computes the outline of an ellipse as a polygon."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    return centre + np.stack([rx * np.cos(angle), ry * np.sin(angle)], 1)


def limb(a: np.ndarray, b: np.ndarray, ra: float, rb: float) -> np.ndarray:
    """Computes the outline of a tapered limb with round ends at two points."""
    ux, uy = ((b - a) / max(float(np.hypot(*(b - a))), 1e-3)).tolist()
    end = _ROUND_END @ np.array([[ux, uy], [-uy, ux]])
    return np.concatenate([b + rb * end, a - ra * end])


def cover_shapes(
    polygons: Sequence[np.ndarray], holes: Sequence[np.ndarray] = ()
) -> Mask | None:
    """Computes the mask of polygons without holes; None outside the canvas.

    Example:
        >>> square = np.array([(2.0, 2.0), (6.0, 2.0), (6.0, 6.0), (2.0, 6.0)])
        >>> mask = cover_shapes([square])
        >>> (mask.top, mask.left, float(mask.cover.max()))
        (1, 1, 1.0)
    """
    points = np.concatenate(polygons) if len(polygons) > 1 else polygons[0]
    x0, y0 = (max(math.floor(low) - 1, 0) for low in points.min(0).tolist())
    x1, y1 = (min(math.ceil(high) + 2, SIDE) for high in points.max(0).tolist())
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    image = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)))
    pen = ImageDraw.Draw(image)
    for fill, shapes in ((255, polygons), (0, holes)):
        for shape in shapes:
            pen.polygon(((shape - (x0, y0)) * 2).ravel().tolist(), fill=fill)
    pixels = np.frombuffer(image.reduce(2).tobytes(), np.uint8)
    cover = pixels.reshape(y1 - y0, x1 - x0) * np.float32(1 / 255)
    return Mask(y0, x0, cover)


def sample_tile(tile: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Samples a tile's colours at any points, mirrored beyond its edges.

    Shapes: tile (256, 256, 4), y and x of any shapes that broadcast to S, to S + (3,).
    """
    pixels = tile.view(np.uint32).ravel().take(_mirrored(y) * TILE + _mirrored(x))
    picture = empty_picture(*pixels.shape)
    picture[:] = pixels[..., None].view(np.uint8)[..., :3]
    return picture


def _mirrored(position: np.ndarray) -> np.ndarray:
    """Returns the row or column of a tile that is seen at a position."""
    last = 2 * TILE - 1
    forwards = position.astype(np.int32) & last
    return np.minimum(forwards, last - forwards)
