"""The canvas of street_fashion: masks of outlines, light, sampled tiles."""

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
_MIRROR = np.concatenate([np.arange(TILE), np.arange(TILE)[::-1]]).astype(np.int32)
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

    Shapes: `canvas` is (256, 256, 3), float32 pixels 0-255; `owner` is (256, 256), 0 or
    1 + the number of the garment that is visible there.

    Args:
        rng: source of every random choice in this picture.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.canvas = np.zeros((SIDE, SIDE, 3), np.float32)
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
            region = self.canvas[mask.window]
            region += (colour - region) * (mask.cover * np.float32(opacity))[..., None]
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
        cover = Image.fromarray(np.pad((mask.cover * 255).astype(np.uint8), pad))
        image = cover.filter(ImageFilter.BoxBlur(blur))
        top, left = mask.top - pad + dy, mask.left - pad + dx
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + cover.height, SIDE), min(left + cover.width, SIDE)
        if y0 < y1 and x0 < x1:
            soft = np.asarray(image)[y0 - top : y1 - top, x0 - left : x1 - left]
            self.canvas[y0:y1, x0:x1] *= 1 - soft[..., None] * np.float32(amount / 255)

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
            self.fill(mask, colour * light[..., None])

    def lit(self, turn: np.ndarray, depth: float = 0.95) -> np.ndarray:
        """Computes the brightness of a round surface; `turn` is -1 to 1 across it."""
        slope = np.clip(turn, -1, 1) * np.float32(depth)
        front = np.sqrt(1 - slope * slope)
        return 0.42 + 0.52 * front + np.float32(0.30 * self.light) * slope


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
    x0, y0 = np.floor(points.min(0)).astype(int).tolist()
    x1, y1 = np.ceil(points.max(0)).astype(int).tolist()
    x0, y0 = max(x0 - 1, 0), max(y0 - 1, 0)
    x1, y1 = min(x1 + 2, SIDE), min(y1 + 2, SIDE)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    image = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)))
    pen = ImageDraw.Draw(image)
    for fill, shapes in ((255, polygons), (0, holes)):
        for shape in shapes:
            pen.polygon(((shape - (x0, y0)) * 2).ravel().tolist(), fill=fill)
    cover = np.asarray(image.reduce(2)) * np.float32(1 / 255)
    return Mask(y0, x0, cover)


def sample_tile(tile: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Samples a tile's colours at any points, mirrored beyond its edges.

    Shapes: tile (256, 256, 4), y and x of any shapes that broadcast to S, to S + (3,).
    """
    rows = _MIRROR[y.astype(np.int32) & (2 * TILE - 1)]
    columns = _MIRROR[x.astype(np.int32) & (2 * TILE - 1)]
    pixels = tile.view(np.uint32).ravel().take(rows * TILE + columns)
    return pixels[..., None].view(np.uint8)[..., :3].astype(np.float32)
