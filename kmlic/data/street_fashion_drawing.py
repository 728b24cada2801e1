"""Draws the pictures of street_fashion from what their figures wear."""

import functools
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kmlic.data.street_fashion_textures import (
    TILE,
    Colour,
    render_texture,
    smooth_noise,
)

IMAGE_SIZE = 128
_SIDE = 2 * IMAGE_SIZE  # everything is drawn twice as large, outlines four times
_JPEG_QUALITY = 90
_WALL_TILES = 12  # of each pattern, drawn once by every process and then reused

_RGB: dict[str, Colour] = {
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
_SKINS: tuple[Colour, ...] = (
    (244, 208, 182),
    (232, 186, 150),
    (212, 160, 122),
    (178, 124, 88),
    (134, 88, 60),
    (92, 60, 44),
)
_HAIRS: tuple[Colour, ...] = (
    (32, 26, 26),
    (62, 42, 32),
    (104, 68, 40),
    (164, 92, 44),
    (214, 178, 108),
    (150, 146, 148),
)
_PATTERNED_WALLS = (
    "plaid",
    "floral",
    "stripe",
    "check",
    "graphic",
    "tie dye",
    "animal",
    "words letters",
    "dot",
    "paisley",
)
# Half the width of the body at the shoulder, chest, waist and hip; y from the top of
# the head, both in units of the figure's height.
_SHOULDER_Y, _CHEST_Y, _WAIST_Y, _HIP_Y, _CROTCH_Y = 0.185, 0.27, 0.40, 0.50, 0.545
_KNEE_Y, _ANKLE_Y = 0.745, 0.95
_HEM_Y = {
    "shirt": 0.525,
    "blouse": 0.515,
    "tee": 0.51,
    "sweater": 0.525,
    "jacket": 0.50,
    "coat": 0.73,
}
_EASE = {"tight": 0.0, "conventional": 0.012, "loose": 0.034}


@dataclass(frozen=True)
class _Mask:
    """Holds how much of each pixel of a rectangle a shape covers, 0 to 1."""

    top: int
    left: int
    cover: np.ndarray  # (H, W), float32

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.cover.shape
        y = np.arange(self.top, self.top + height, dtype=np.float32)[:, None]
        x = np.arange(self.left, self.left + width, dtype=np.float32)[None, :]
        return y, x


@dataclass(frozen=True)
class _Cloth:
    """Holds what a garment is cut from."""

    tile: np.ndarray  # (256, 256), one uint32 a pixel
    fabric: str
    owner: int
    shift: tuple[float, float]
    finish: str = "plain"


class _Scene:
    """Carries one picture from its first brush stroke to its JPEG."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.canvas = np.empty((_SIDE, _SIDE, 3), np.float32)
        self.owner = np.zeros((_SIDE, _SIDE), np.uint8)
        side = rng.choice([-1.0, 1.0])
        self.light = side * rng.uniform(0.25, 0.75)

    def fill(self, mask: _Mask, colour: np.ndarray, opacity: float = 1.0) -> None:
        region = self.canvas[mask.window]
        region += (colour - region) * (mask.cover * opacity)[..., None]

    def darken(self, mask: _Mask, amount: float, blur: float, dx: int, dy: int) -> None:
        """Lets a shape cast a soft shadow on all that is drawn so far."""
        pad = int(2 * blur) + 1
        cover = np.pad(mask.cover, pad)
        image = Image.fromarray((cover * 255).astype(np.uint8))
        soft = np.asarray(image.filter(ImageFilter.BoxBlur(blur)), np.float32)
        top, left = mask.top - pad + dy, mask.left - pad + dx
        y0, x0 = max(top, 0), max(left, 0)
        y1 = min(top + soft.shape[0], _SIDE)
        x1 = min(left + soft.shape[1], _SIDE)
        if y0 < y1 and x0 < x1:
            soft = soft[y0 - top : y1 - top, x0 - left : x1 - left]
            self.canvas[y0:y1, x0:x1] *= 1 - soft[..., None] * (amount / 255)

    def lit(self, turn: np.ndarray, depth: float = 0.95) -> np.ndarray:
        """Gives the brightness of a round surface; `turn` is -1 to 1 across it."""
        slope = np.clip(turn, -1, 1) * depth
        front = np.sqrt(1 - slope * slope)
        return 0.42 + 0.52 * front + 0.30 * self.light * slope


def draw_picture(
    garments: Sequence[Mapping[str, Any]], seed: int, index: int
) -> tuple[bytes, list[tuple[float, float, float, float]]]:
    """Draws one figure on a street: a JPEG of 128 px and the box of each garment.

    Args:
        garments: the fields of each `Garment`, from the lowest layer to the topmost.
        seed: the seed of the dataset.
        index: the index of the image; pose, light and street follow from both.

    Returns:
        The JPEG, and (top, left, bottom, right) of the visible part of each garment in
        shares of the image's side.
    """
    for attempt in range(8):
        rng = np.random.default_rng((seed, index, attempt))
        scene = _Scene(rng)
        horizon = _draw_street(scene, seed)
        _Figure(scene, garments, horizon).draw()
        boxes = [_box(scene.owner == i + 1) for i in range(len(garments))]
        if all(box is not None for box in boxes):
            break
    else:
        kinds = [garment["kind"] for garment in garments]
        raise RuntimeError(f"image {index} of seed {seed} hides one of {kinds}.")
    _draw_foreground(scene, seed)
    return _photograph(scene), [box for box in boxes if box is not None]


def serve(orders: BinaryIO, pictures: BinaryIO) -> None:
    """Draws what each line of a stream orders and writes it to another.

    Args:
        orders: a JSON object a line, with the arguments of `draw_picture`.
        pictures: gets a JSON line with "bytes" and "boxes", then that many bytes.
    """
    for line in orders:
        jpeg, boxes = draw_picture(**json.loads(line))
        header = json.dumps({"bytes": len(jpeg), "boxes": boxes})
        pictures.write(header.encode() + b"\n" + jpeg)
        pictures.flush()


def _box(visible: np.ndarray) -> tuple[float, float, float, float] | None:
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if visible.sum() < 60:
        return None
    bounds = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    top, left, bottom, right = (float(bound) / _SIDE for bound in bounds)
    return top, left, bottom, right


def _photograph(scene: _Scene) -> bytes:
    """Adds what a camera adds: exposure, colour cast, vignette, noise, JPEG."""
    rng = scene.rng
    line = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    vignette = 1 - rng.uniform(0, 0.2) * (line[:, None] ** 2 + line[None, :] ** 2) / 2
    gain = rng.uniform(0.84, 1.14) * (1 + rng.normal(0, 0.03, 3))
    bright = scene.canvas * vignette[..., None] * gain.astype(np.float32)
    image = Image.fromarray(np.clip(bright, 0, 255).astype(np.uint8))
    small = np.asarray(image.reduce(2), np.float32)
    grain = rng.standard_normal(small.shape[:2], dtype=np.float32)[..., None]
    small = np.clip(small + grain * rng.uniform(1, 5), 0, 255)
    file = io.BytesIO()
    Image.fromarray(np.rint(small).astype(np.uint8)).save(
        file, "JPEG", quality=_JPEG_QUALITY
    )
    return file.getvalue()


# --- shapes -------------------------------------------------------------------------


def _smooth(points: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Rounds a closed polygon by cutting its corners (Chaikin)."""
    for _ in range(rounds):
        following = np.roll(points, -1, 0)
        points = np.stack(
            [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1
        ).reshape(-1, 2)
    return points


def _cover(
    polygons: Sequence[np.ndarray], holes: Sequence[np.ndarray] = ()
) -> _Mask | None:
    """Gives the mask of polygons less holes, cut at the canvas; None if outside."""
    points = np.concatenate(polygons)
    low = np.maximum(np.floor(points.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + 2, _SIDE)
    if (high - low < 2).any():
        return None
    width, height = (high - low).tolist()
    image = Image.new("L", (2 * width, 2 * height))
    pen = ImageDraw.Draw(image)
    for fill, shapes in ((255, polygons), (0, holes)):
        for shape in shapes:
            pen.polygon(((shape - low) * 2).ravel().tolist(), fill=fill)
    cover = np.asarray(image.reduce(2), np.float32) * np.float32(1 / 255)
    return _Mask(int(low[1]), int(low[0]), cover)


def _disc(centre: np.ndarray, rx: float, ry: float, sides: int = 24) -> np.ndarray:
    angle = np.arange(sides) * (2 * np.pi / sides)
    return centre + np.stack([rx * np.cos(angle), ry * np.sin(angle)], 1)


def _limb(a: np.ndarray, b: np.ndarray, ra: float, rb: float) -> np.ndarray:
    """Gives the outline of a tapered, round-ended limb."""
    along = (b - a) / max(float(np.hypot(*(b - a))), 1e-3)
    heading = np.arctan2(along[1], along[0])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
    end = np.stack([np.cos(heading + angle), np.sin(heading + angle)], 1)
    start = np.stack(
        [np.cos(heading + np.pi + angle), np.sin(heading + np.pi + angle)], 1
    )
    return np.concatenate([b + rb * end, a + ra * start])


# --- the street ---------------------------------------------------------------------


@functools.cache
def _wall_tile(seed: int, pattern: str, number: int) -> np.ndarray:
    """Gives one of the textures of streets, in the colours of garments."""
    rng = np.random.default_rng((seed, 1, _PATTERNED_WALLS.index(pattern), number))
    first, second = rng.permutation(len(_RGB))[:2]
    palette = list(_RGB.values())
    colours = [palette[first], palette[second]]
    scale = rng.uniform(0.8, 1.7)
    return _pack(render_texture(pattern, colours, rng, scale=scale))


def _pack(tile: np.ndarray) -> np.ndarray:
    """Puts the three bytes of a pixel into one number, which is faster to gather."""
    packed = np.zeros((TILE, TILE, 4), np.uint8)
    packed[..., :3] = tile
    return packed.view(np.uint32)[..., 0]


_MIRROR = np.concatenate([np.arange(TILE), np.arange(TILE)[::-1]]).astype(np.int32)


def _sample(tile: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gives the tile's colours at any points, mirrored beyond its edges."""
    rows = _MIRROR[y.astype(np.int32) & (2 * TILE - 1)]
    columns = _MIRROR[x.astype(np.int32) & (2 * TILE - 1)]
    flat = tile.ravel().take(rows * TILE + columns)
    return flat[..., None].view(np.uint8)[..., :3].astype(np.float32)


def _random_wall_tile(rng: np.random.Generator, seed: int) -> np.ndarray:
    pattern = _PATTERNED_WALLS[rng.integers(len(_PATTERNED_WALLS))]
    return _wall_tile(seed, pattern, int(rng.integers(_WALL_TILES)))


def _dull(rng: np.random.Generator, low: float = 70, high: float = 215) -> np.ndarray:
    return np.float32(rng.uniform(low, high) + rng.normal(0, 16, 3))


def _draw_street(scene: _Scene, seed: int) -> float:
    """Paints wall and ground and gives the y where they meet."""
    rng = scene.rng
    horizon = rng.uniform(0.58, 0.84) * _SIDE
    wall = rng.choice(
        ["textured", "brick", "plaster", "houses", "hedge", "shop"],
        p=[0.34, 0.13, 0.12, 0.15, 0.13, 0.13],
    )
    canvas = scene.canvas
    if wall == "textured":
        canvas[:] = _textured_wall(rng, seed)
    elif wall == "brick":
        canvas[:] = _brick_wall(rng)
    elif wall == "plaster":
        noise = smooth_noise(rng, (9, 9), (_SIDE, _SIDE))[..., None]
        canvas[:] = _dull(rng) * (0.86 + 0.2 * noise)
    elif wall == "houses":
        canvas[:] = _houses(rng, horizon)
    elif wall == "hedge":
        canvas[:] = _hedge(rng)
    else:
        canvas[:] = _shop(rng, seed, horizon)
    _draw_ground(scene, seed, horizon)
    for _ in range(rng.integers(0, 3)):
        _hang_poster(scene, seed, horizon)
    for _ in range(rng.integers(0, 3)):
        _place_clutter(scene, seed, horizon)
    slope = np.linspace(-1, 1, _SIDE, dtype=np.float32)[None, :, None]
    canvas *= 0.95 + 0.16 * scene.light * slope
    if rng.random() < 0.4:  # out of focus
        image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.5, 1.8)))
        canvas[:] = np.asarray(image)
    # A street is lit less than the figure, more in some pictures than in others.
    haze = rng.uniform(0, 0.25)
    canvas += (_dull(rng, 120, 190) - canvas) * haze
    return horizon


def _textured_wall(rng: np.random.Generator, seed: int) -> np.ndarray:
    tile = _random_wall_tile(rng, seed)
    line = np.arange(_SIDE, dtype=np.float32)
    tilt = rng.normal(0, 0.08)
    x = line[None, :] + tilt * line[:, None] + rng.integers(TILE)
    y = line[:, None] + rng.normal(0, 0.06) * line[None, :] + rng.integers(TILE)
    zoom = rng.uniform(0.7, 1.05)
    return _sample(tile, y * zoom, x * zoom)


def _brick_wall(rng: np.random.Generator) -> np.ndarray:
    tone = np.array([rng.uniform(120, 190), rng.uniform(70, 120), rng.uniform(55, 100)])
    image = Image.new("RGB", (_SIDE, _SIDE), tuple(int(v) for v in tone * 0.6 + 70))
    pen = ImageDraw.Draw(image)
    height = int(rng.integers(9, 16))
    width = 2.2 * height
    rows, columns = _SIDE // height + 1, int(_SIDE / width) + 2
    shades = rng.normal(1, 0.09, (rows, columns))
    for row in range(rows):
        for column in range(columns):
            x, y = (column - 0.5 * (row % 2)) * width, row * height
            fill = tuple(int(v) for v in np.clip(tone * shades[row, column], 0, 255))
            pen.rectangle((x, y, x + width - 3, y + height - 3), fill=fill)
    return np.asarray(image, np.float32)


def _houses(rng: np.random.Generator, horizon: float) -> np.ndarray:
    sky = np.linspace(0, 1, _SIDE, dtype=np.float32)[:, None, None]
    top, low = np.float32([120, 166, 216]), np.float32([222, 226, 226])
    picture = np.broadcast_to(top + (low - top) * sky, (_SIDE, _SIDE, 3))
    image = Image.fromarray(picture.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    x = -float(rng.uniform(0, 40))
    while x < _SIDE:
        width, y = float(rng.uniform(44, 100)), float(rng.uniform(-30, 0.5 * horizon))
        wall = _dull(rng, 90, 200)
        pen.rectangle(
            (x, y, x + width, _SIDE), fill=tuple(wall.astype(int).clip(0, 255))
        )
        glass = _dull(rng, 40, 230)
        across, down = float(rng.uniform(12, 22)), float(rng.uniform(16, 30))
        wide, high = across * rng.uniform(0.4, 0.65), down * rng.uniform(0.45, 0.65)
        for wy in np.arange(y + 6, horizon, down):
            for wx in np.arange(x + 5, x + width - wide, across):
                shade = (glass * rng.uniform(0.8, 1.15)).astype(int).clip(0, 255)
                pen.rectangle((wx, wy, wx + wide, wy + high), fill=tuple(shade))
        x += width
    return np.asarray(image, np.float32)


def _hedge(rng: np.random.Generator) -> np.ndarray:
    noise = smooth_noise(rng, (40, 40), (_SIDE, _SIDE))
    noise = 0.6 * noise + 0.4 * smooth_noise(rng, (12, 12), (_SIDE, _SIDE))
    green = np.float32([rng.uniform(40, 80), rng.uniform(95, 135), rng.uniform(40, 70)])
    picture = green * (0.35 + 1.0 * noise[..., None])
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if rng.random() < 0.7:
        pen = ImageDraw.Draw(image)
        palette = [(240, 240, 235), (226, 60, 90), (244, 190, 60), (190, 110, 200)]
        bloom = palette[rng.integers(len(palette))]
        for x, y, radius in rng.uniform((0, 0, 4), (_SIDE, _SIDE, 8), (45, 3)).tolist():
            for angle in np.arange(5) * 1.2566:
                px, py = x + radius * np.cos(angle), y + radius * np.sin(angle)
                r = radius * 0.62
                pen.ellipse((px - r, py - r, px + r, py + r), fill=bloom)
            r = radius * 0.5
            pen.ellipse((x - r, y - r, x + r, y + r), fill=(250, 220, 90))
    return np.asarray(image, np.float32)


def _shop(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    frame = _dull(rng, 40, 190)
    picture = np.broadcast_to(frame, (_SIDE, _SIDE, 3)).astype(np.float32)
    line = np.arange(_SIDE, dtype=np.float32)
    sign = int(rng.uniform(0.1, 0.2) * _SIDE)
    text = _wall_tile(seed, "words letters", int(rng.integers(_WALL_TILES)))
    picture[4:sign] = _sample(text, line[4:sign, None] * 0.75, line[None, :] * 0.75)
    awning = sign + int(rng.uniform(0.08, 0.18) * _SIDE)
    cloth = _wall_tile(seed, "stripe", int(rng.integers(_WALL_TILES)))
    rows = line[sign:awning, None]
    flare = 1 - 0.3 * (rows - sign) / (awning - sign)
    columns = (line[None, :] - _SIDE / 2) * flare + _SIDE / 2
    picture[sign:awning] = (
        _sample(cloth, rows, columns) * (0.75 + 0.3 * (1 - flare))[..., None]
    )
    low = int(horizon - 0.06 * _SIDE)
    goods = _random_wall_tile(rng, seed)
    for left in range(10, _SIDE, 84):
        right = min(left + 74, _SIDE)
        glow = smooth_noise(rng, (4, 4), (low - awning - 6, right - left))[..., None]
        shown = _sample(goods, line[awning + 6 : low, None], line[None, left:right])
        glass = _dull(rng, 50, 130) * (0.7 + 0.8 * glow)
        picture[awning + 6 : low, left:right] = 0.55 * glass + 0.45 * shown
    return picture


def _draw_ground(scene: _Scene, seed: int, horizon: float) -> None:
    rng = scene.rng
    start = int(horizon)
    line = np.arange(start, _SIDE, dtype=np.float32)[:, None]
    near = (line - horizon + 14) / 60
    depth = 70 / near
    across = (
        np.arange(_SIDE, dtype=np.float32)[None, :] - _SIDE * rng.uniform(0.3, 0.7)
    ) / near
    kind = rng.choice(
        ["asphalt", "paving", "grass", "textured"], p=[0.34, 0.22, 0.18, 0.26]
    )
    shape = (_SIDE - start, _SIDE)
    if kind == "textured":
        tile = _random_wall_tile(rng, seed)
        ground = _sample(tile, depth * 2 + 512, across * 0.8 + 5120)
        mean = ground.mean((0, 1))
        ground = mean + (ground - mean) * np.clip(near * 1.2 - 0.2, 0, 1)[..., None]
    elif kind == "paving":
        gap = ((depth * 1.5 % 24) < 2.5) | ((across % 34) < 2)
        ground = _dull(rng, 120, 190) * (1 - 0.25 * gap[..., None].astype(np.float32))
    elif kind == "grass":
        blades = smooth_noise(rng, (60, 90), shape)[..., None]
        ground = np.float32([84, 124, 62]) * (0.65 + 0.6 * blades)
    else:
        grit = smooth_noise(rng, (30, 60), shape)[..., None]
        ground = _dull(rng, 70, 150) * (0.85 + 0.25 * grit)
        if rng.random() < 0.3:  # a crossing
            bars = ((across % 60) < 28)[..., None]
            ground = np.where(bars & (near > 0.45)[..., None], np.float32(225), ground)
    scene.canvas[start:] = ground
    edge = scene.canvas[max(start - 3, 0) : start + 3]
    edge *= 0.75


def _hang_poster(scene: _Scene, seed: int, horizon: float) -> None:
    rng = scene.rng
    width, height = rng.integers(34, 90, 2)
    left = int(rng.integers(-10, _SIDE - 20))
    top = int(rng.integers(0, max(int(horizon - height), 10)))
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + height, _SIDE), min(left + width, _SIDE)
    if y1 - y0 < 12 or x1 - x0 < 12:
        return
    scene.canvas[y0:y1, x0:x1] = _dull(rng, 20, 240)
    y = np.arange(y0 + 3, y1 - 3, dtype=np.float32)[:, None]
    x = np.arange(x0 + 3, x1 - 3, dtype=np.float32)[None, :]
    scene.canvas[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = _sample(
        _random_wall_tile(rng, seed), y, x
    )


def _place_clutter(scene: _Scene, seed: int, horizon: float) -> None:
    rng = scene.rng
    kind = rng.choice(["lamp", "plant", "parasol", "bin", "balloons"])
    x = rng.uniform(0, _SIDE)
    foot = rng.uniform(horizon + 4, min(horizon + 40, _SIDE))
    if kind == "lamp":
        _draw_lamp(scene, x, foot)
    elif kind == "plant":
        _draw_plant(scene, x, foot, rng.uniform(16, 30))
    elif kind == "parasol":
        _draw_parasol(scene, seed, x, foot)
    elif kind == "bin":
        _draw_bin(scene, x, foot)
    else:
        for dx, dy, r in rng.uniform((-26, 0, 8), (26, 90, 15), (5, 3)):
            ball = _cover([_disc(np.array([x + dx, 20 + dy]), r, r * 1.15)])
            if ball is not None:
                colour = np.float32(list(_RGB.values())[rng.integers(len(_RGB))])
                gy, gx = ball.grid()
                glow = scene.lit((gx - x - dx) / r) + 0 * gy
                scene.fill(ball, colour * glow[..., None])


def _draw_lamp(scene: _Scene, x: float, foot: float) -> None:
    tone = _dull(scene.rng, 30, 90)
    top = scene.rng.uniform(-20, 60)
    pole = np.array([(x - 3, top), (x + 3, top), (x + 4, foot), (x - 4, foot)])
    head = _disc(np.array([x, top]), 12, 10)
    for shape, colour in ((pole, tone), (head, np.float32([250, 236, 190]))):
        mask = _cover([shape])
        if mask is not None:
            scene.fill(mask, colour)


def _draw_plant(scene: _Scene, x: float, foot: float, size: float) -> None:
    rng = scene.rng
    pot = np.array(
        [
            (x - size * 0.6, foot - size),
            (x + size * 0.6, foot - size),
            (x + size * 0.42, foot),
            (x - size * 0.42, foot),
        ]
    )
    mask = _cover([pot])
    if mask is not None:
        _, gx = mask.grid()
        shade = scene.lit((gx - x) / (size * 0.6))[..., None]
        scene.fill(mask, np.float32([168, 92, 62]) * shade)
    for angle in rng.uniform(-2.6, -0.5, 11):
        reach = size * rng.uniform(1.1, 2.2)
        root = np.array([x, foot - size])
        tip = root + reach * np.array([np.cos(angle), np.sin(angle)])
        side = 0.13 * reach * np.array([-np.sin(angle), np.cos(angle)])
        leaf = _smooth(
            np.array([root, (root + tip) / 2 + side, tip, (root + tip) / 2 - side])
        )
        mask = _cover([leaf])
        if mask is not None:
            scene.fill(
                mask, np.float32([52, 116, 58]) * np.float32(rng.uniform(0.6, 1.25))
            )


def _draw_parasol(scene: _Scene, seed: int, x: float, foot: float) -> None:
    rng = scene.rng
    top, wide = foot - rng.uniform(110, 170), rng.uniform(45, 75)
    pole = _cover(
        [np.array([(x - 2, top), (x + 2, top), (x + 2, foot), (x - 2, foot)])]
    )
    roof = _cover(
        [
            _smooth(
                np.array([(x, top - 10), (x + wide, top + 34), (x - wide, top + 34)]), 1
            )
        ]
    )
    if pole is not None:
        scene.fill(pole, np.float32([90, 84, 80]))
    if roof is not None:
        gy, gx = roof.grid()
        tile = _random_wall_tile(rng, seed)
        cloth = _sample(tile, gy + 0 * gx, gx + 0 * gy)
        scene.fill(roof, cloth * scene.lit((gx - x) / wide, 0.8)[..., None])


def _draw_bin(scene: _Scene, x: float, foot: float) -> None:
    box = _cover(
        [
            np.array(
                [
                    (x - 15, foot - 44),
                    (x + 15, foot - 44),
                    (x + 13, foot),
                    (x - 13, foot),
                ]
            )
        ]
    )
    if box is not None:
        _, gx = box.grid()
        bars = 0.85 + 0.3 * ((gx % 6) < 3)
        shade = scene.lit((gx - x) / 16) * bars
        scene.fill(box, _dull(scene.rng, 50, 130) * shade[..., None])


def _draw_foreground(scene: _Scene, seed: int) -> None:
    """Puts a plant or a lamp before the edge of some pictures."""
    rng = scene.rng
    if rng.random() < 0.2:
        x = rng.choice([rng.uniform(-8, 24), rng.uniform(_SIDE - 24, _SIDE + 8)])
        if rng.random() < 0.6:
            _draw_plant(scene, x, _SIDE + rng.uniform(0, 14), rng.uniform(26, 40))
        else:
            _draw_lamp(scene, x, _SIDE + 10)


# --- the figure ---------------------------------------------------------------------


class _Figure:
    """Poses a figure, dresses it and paints it from back to front."""

    def __init__(
        self, scene: _Scene, garments: Sequence[Mapping[str, Any]], horizon: float
    ) -> None:
        rng = scene.rng
        self.scene, self.rng, self.garments = scene, rng, garments
        self.worn = {garment["kind"]: garment for garment in garments}
        self.cloths = {
            garment["kind"]: self._cut_cloth(garment, owner + 1)
            for owner, garment in enumerate(garments)
        }
        self.height = _SIDE * rng.uniform(0.86, 1.34)
        if self.height < 0.96 * _SIDE:
            foot = rng.uniform(max(self.height + 2, 0.93 * _SIDE), 0.985 * _SIDE)
            self.top = foot - self.height
        else:
            self.top = rng.uniform(0.0, 0.06) * _SIDE
        self.middle = _SIDE * float(np.clip(rng.normal(0.5, 0.08), 0.34, 0.66))
        self.lean = rng.normal(0, 0.04)
        self.sway = rng.normal(0, 0.014)
        self.build = rng.uniform(1.06, 1.3)
        self.skin = np.float32(_SKINS[rng.integers(len(_SKINS))]) * np.float32(
            rng.uniform(0.93, 1.06)
        )
        self.hair = np.float32(_HAIRS[rng.integers(len(_HAIRS))])
        self.zoom = self.height / _SIDE
        self._pose()

    def draw(self) -> None:
        """Paints shadow, body, clothes and accessories, and who owns each pixel."""
        self._draw_shadow()
        hair_style = self.rng.choice(
            ["long", "short", "bun", "curly"], p=[0.4, 0.2, 0.2, 0.2]
        )
        self._draw_back_hair(hair_style)
        self._draw_legs()
        self._draw_trunk()
        dressed = [g for g in self.garments if g["kind"] not in ("hat", "bag")]
        for garment in dressed:
            kind = garment["kind"]
            if kind in ("jeans", "trousers", "shorts"):
                self._draw_trousers(garment)
            elif kind == "skirt":
                self._draw_skirt(garment)
        for garment in dressed:
            if garment["kind"] == "dress":
                self._draw_dress(garment)
        upper = dressed[-1]
        if upper["kind"] != "dress":
            self._draw_upper(upper)
        if "bag" in self.worn:
            self._draw_bag()
        for side in (0, 1):
            self._draw_arm(side, upper)
        self._draw_head(hair_style)
        if "hat" in self.worn:
            self._draw_hat()

    # Where things are.

    def _at(self, points: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
        """Puts points of the figure (heights from the body's axis) on the canvas."""
        x, y = np.asarray(points, float).T
        sway = self.sway * np.exp(-(((y - 0.52) / 0.16) ** 2))
        across = x * self.build + self.lean * (0.95 - y) + sway
        return np.stack(
            [self.middle + self.height * across, self.top + self.height * y], 1
        )

    def _both(self, right: Sequence[tuple[float, float]]) -> np.ndarray:
        """Closes an outline with its mirror image."""
        left = [(-x, y) for x, y in reversed(right)]
        return self._at([*right, *left])

    def _pose(self) -> None:
        rng = self.rng
        self.arms: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for side in (-1, 1):
            pose = rng.choice(
                ["down", "hip", "pocket", "front", "wave"],
                p=[0.4, 0.22, 0.18, 0.12, 0.08],
            )
            upper, lower = {
                "down": (rng.uniform(8, 20), rng.uniform(0, 18)),
                "hip": (rng.uniform(36, 50), rng.uniform(-52, -40)),
                "pocket": (rng.uniform(16, 26), rng.uniform(-22, -8)),
                "front": (rng.uniform(10, 18), rng.uniform(-80, -60)),
                "wave": (rng.uniform(95, 130), rng.uniform(150, 175)),
            }[pose]
            shoulder = self._at([(side * 0.100, 0.202)])[0]
            length = self.height * 0.158
            turns = np.radians([upper, lower])
            step = np.stack([side * np.sin(turns), np.cos(turns)], 1) * length
            elbow = shoulder + step[0]
            self.arms.append((shoulder, elbow, elbow + step[1] * 0.94))
        stance = rng.uniform(0.03, 0.085, 2)
        bend = rng.normal(0, 0.012, 2)
        self.legs = []
        for side, apart, knee in zip((-1, 1), stance, bend, strict=True):
            lift = rng.uniform(0, 0.03) if rng.random() < 0.3 else 0.0
            self.legs.append(
                (
                    (side * 0.056, 0.52),
                    (side * (0.056 + apart) / 2 + knee, _KNEE_Y),
                    (side * apart, _ANKLE_Y - lift),
                )
            )

    # What things are made of.

    def _cut_cloth(self, garment: Mapping[str, Any], owner: int) -> _Cloth:
        rng = self.rng
        colours = [self._tint(name) for name in garment["colours"]]
        fabric, kind = garment["fabric"], garment["kind"]
        if fabric == "denim" and garment["colours"][0] == "blue":
            shade = rng.uniform(0.75, 1.2)
            colours = [_clip_colour(np.array([74, 104, 150]) * shade)]
        pattern = garment["patterns"][0]
        placed = pattern in ("graphic", "words letters") and rng.random() < 0.8
        scale = rng.uniform(0.85, 1.25)
        tile = render_texture(pattern, colours, rng, scale=scale, placed=placed)
        if len(garment["patterns"]) > 1:
            tile = self._mix_patterns(tile, garment["patterns"][1], colours)
            placed = True
        if kind in ("hat", "bag"):
            placed = False
        shift = (128.0, 128.0)
        if not placed:
            shift = (float(rng.uniform(60, 120)), float(rng.uniform(80, 170)))
        return _Cloth(_pack(tile), fabric, owner, shift, garment["finish"])

    def _mix_patterns(
        self, tile: np.ndarray, second: str, colours: Sequence[Colour]
    ) -> np.ndarray:
        rng = self.rng
        tile = tile.copy()
        if second in ("words letters", "graphic"):
            ground = _RGB["white"] if rng.random() < 0.6 else _RGB["black"]
            print_ = render_texture(second, [ground], rng, scale=0.9, placed=True)
            tile[96:160, 90:166] = print_[96:160, 90:166]
            return tile
        other = render_texture(second, [colours[-1], colours[0]], rng)
        border = int(rng.integers(150, 178))
        if rng.random() < 0.6:
            tile[border:] = other[border:]
        else:
            tile[: border - 40] = other[: border - 40]
        return tile

    def _tint(self, name: str) -> Colour:
        rng = self.rng
        base = np.float32(_RGB[name])
        return _clip_colour(base * rng.uniform(0.86, 1.1) + rng.normal(0, 7, 3))

    def _paint(
        self,
        mask: _Mask | None,
        cloth: _Cloth,
        turn: np.ndarray,
        across: np.ndarray,
        along: np.ndarray,
        *,
        opacity: float = 1.0,
        pleats: float = 0.0,
    ) -> None:
        """Lays cloth over a mask: texture, folds, the look of the fabric, light."""
        if mask is None:
            return
        scene, rng = self.scene, self.rng
        shape = mask.cover.shape
        cells = (3 + shape[0] // 60, 4 + shape[1] // 16)
        folds = smooth_noise(rng, cells, shape) - 0.5
        depth = {"chiffon": 0.34, "leather": 0.24, "knit": 0.1, "faux": 0.08}.get(
            cloth.fabric, 0.18
        )
        across = across + 5 * folds
        shade = scene.lit(turn) * (1 + depth * 1.4 * folds)
        if pleats:
            shade = shade * (1 + 0.22 * np.sin(turn * pleats))
            across = across + 2.5 * np.cos(turn * pleats)
        colour = _sample(
            cloth.tile,
            along / self.zoom + (cloth.shift[1] + 512),
            across / self.zoom + (cloth.shift[0] + 512),
        )
        if cloth.fabric == "denim":
            twill = ((across + along) % 5 < 2.2) - 0.45
            worn = np.clip(1 - np.abs(turn) * 1.6, 0, 1) * 0.16
            grit = rng.standard_normal(shape, dtype=np.float32) * 0.05
            shade = shade * (1 + 0.12 * twill + worn + grit)
        elif cloth.fabric == "knit":
            rib = np.abs((across % 7) - 3.5) / 3.5
            stitch = np.abs(((along + 3 * rib) % 6) - 3) / 3
            shade = shade * (0.86 + 0.16 * rib + 0.10 * stitch)
        elif cloth.fabric == "faux":
            fur = smooth_noise(rng, (shape[0] // 4 + 2, shape[1] // 3 + 2), shape)
            shade = shade * (0.68 + 0.62 * fur)
        lit = colour * shade[..., None]
        if cloth.fabric == "leather":
            crease = smooth_noise(rng, (cells[0] * 3, cells[1] * 2), shape)
            gloss = np.exp(-(((turn - 0.5 * np.sign(scene.light)) / 0.28) ** 2))
            lit += (120 * gloss * np.clip(crease * 1.9 - 0.75, 0, 1))[..., None]
        elif cloth.fabric == "chiffon":
            lit += (255 - lit) * 0.06
        scene.fill(mask, lit, opacity)
        scene.owner[mask.window][mask.cover > 0.5] = cloth.owner

    def _paint_rows(self, mask: _Mask | None, cloth: _Cloth, **look: Any) -> None:
        """Lays cloth round an upright part: trunk, skirt, one trouser leg."""
        if mask is None:
            return
        solid = mask.cover > 0.3
        rows = solid.any(1)
        if not rows.any():
            return
        width = mask.cover.shape[1]
        index = np.arange(len(rows))
        left = np.interp(index, index[rows], solid.argmax(1)[rows])
        right = np.interp(
            index, index[rows], width - 1 - solid[:, ::-1].argmax(1)[rows]
        )
        half = np.maximum((right - left) / 2, 1).astype(np.float32)[:, None]
        centre = (mask.left + (left + right) / 2).astype(np.float32)[:, None]
        y, x = mask.grid()
        turn = np.clip((x - centre) / half, -1, 1)
        axis = self._at(
            np.stack([np.zeros_like(y[:, 0]), (y[:, 0] - self.top) / self.height], 1)
        )
        across = x - axis[:, :1].astype(np.float32) + 0.14 * half * turn**3
        along = y - (self.top + 0.3 * self.height) + 0 * x
        self._paint(mask, cloth, turn, across, along, **look)

    def _paint_limb(
        self,
        cloth: _Cloth,
        a: np.ndarray,
        b: np.ndarray,
        ra: float,
        rb: float,
        start: float,
    ) -> None:
        """Lays cloth round a limb, its threads along the limb."""
        outline = _limb(a, b, ra, rb)
        if cloth.fabric == "faux":
            outline = self._fray(outline, 2.2)
        mask = _cover([outline])
        if mask is None:
            return
        y, x = mask.grid()
        length = max(float(np.hypot(*(b - a))), 1e-3)
        ux, uy = ((b - a) / length).tolist()
        along = (x - float(a[0])) * ux + (y - float(a[1])) * uy
        across = (x - float(a[0])) * uy - (y - float(a[1])) * ux
        radius = ra + (rb - ra) * np.clip(along / length, 0, 1)
        turn = np.clip(across / radius, -1, 1) * np.sign(uy if abs(uy) > 0.2 else 1)
        self._paint(mask, cloth, turn, across + 70, along + start)

    def _fray(self, outline: np.ndarray, amount: float) -> np.ndarray:
        """Roughens an outline into the edge of fur."""
        following = np.roll(outline, -1, 0)
        steps = np.linspace(0, 1, 5)[:-1, None, None]
        dense = (
            (outline + (following - outline) * steps).transpose(1, 0, 2).reshape(-1, 2)
        )
        return dense + self.rng.normal(0, amount, dense.shape)

    def _fill_skin(
        self, mask: _Mask | None, turn: np.ndarray, tone: np.ndarray
    ) -> None:
        if mask is not None:
            shade = self.scene.lit(np.broadcast_to(turn, mask.cover.shape), 0.85)
            self.scene.fill(mask, tone * (shade * 1.06)[..., None])
            self.scene.owner[mask.window][mask.cover > 0.5] = 0

    def _fill_limb(
        self, a: np.ndarray, b: np.ndarray, ra: float, rb: float, tone: np.ndarray
    ) -> None:
        mask = _cover([_limb(a, b, ra, rb)])
        if mask is not None:
            y, x = mask.grid()
            length = max(float(np.hypot(*(b - a))), 1e-3)
            ux, uy = ((b - a) / length).tolist()
            across = (x - float(a[0])) * uy - (y - float(a[1])) * ux
            self._fill_skin(mask, across / max(ra, rb), tone)

    # The body.

    def _draw_shadow(self) -> None:
        feet = self._at([leg[2] for leg in self.legs])
        foot = feet.mean(0) + np.array([0, 0.02 * self.height])
        if foot[1] > _SIDE + 4:
            return
        pool = _cover([_disc(foot, 0.15 * self.height, 0.022 * self.height)])
        if pool is not None:
            self.scene.darken(pool, 0.5, 4, 0, 0)
        reach = np.array([-np.sign(self.scene.light) * 0.5, -0.12]) * self.height
        thrown = _cover(
            [_limb(foot, foot + reach, 0.05 * self.height, 0.035 * self.height)]
        )
        if thrown is not None:
            self.scene.darken(thrown, 0.38, 5, 0, 0)

    def _draw_legs(self) -> None:
        if {"jeans", "trousers"} & self.worn.keys():
            tone = None
        elif "coat" in self.worn or (
            "sweater" in self.worn and self.rng.random() < 0.5
        ):
            tone = _dull(self.rng, 35, 60)  # tights
        else:
            tone = self.skin
        size = self.height
        shoe = _dull(self.rng, 25, 230)
        for leg in self.legs:
            hip, knee, ankle = self._at(leg)
            if tone is not None:
                self._fill_limb(hip, knee, 0.056 * size, 0.036 * size, tone)
                self._fill_limb(knee, ankle, 0.037 * size, 0.021 * size, tone)
            toe = (
                ankle
                + np.array([np.sign(ankle[0] - hip[0] + 0.01) * 0.012, 0.032]) * size
            )
            self._fill_limb(
                ankle + np.array([0, 0.008 * size]),
                toe,
                0.024 * size,
                0.026 * size,
                shoe,
            )

    def _draw_trunk(self) -> None:
        right = [
            (0.036, 0.12),
            (0.04, 0.165),
            (0.104, 0.185),
            (0.102, 0.27),
            (0.078, 0.40),
            (0.108, 0.5),
            (0.1, 0.55),
        ]
        mask = _cover([_smooth(self._both(right))])
        if mask is not None:
            _, x = mask.grid()
            centre = self._at([(0.0, 0.3)])[0, 0]
            turn = (x - np.float32(centre)) / (0.14 * self.height * self.build)
            self._fill_skin(mask, np.clip(turn, -1, 1), self.skin)
            neck = _cover(
                [
                    _disc(
                        self._at([(0.0, 0.148)])[0],
                        0.036 * self.height,
                        0.022 * self.height,
                    )
                ]
            )
            if neck is not None:
                self.scene.darken(neck, 0.35, 2, 0, 2)

    def _draw_back_hair(self, style: str) -> None:
        centre = self._at([(0.0, 0.08)])[0]
        size = self.height
        shapes = []
        if style == "long":
            down = self.rng.uniform(0.2, 0.27)
            shapes.append(
                _smooth(
                    self._both(
                        [(0.03, 0.01), (0.056, 0.05), (0.062, 0.15), (0.066, down)]
                    )
                )
            )
        elif style == "curly":
            for angle in np.linspace(0, 2 * np.pi, 11)[:-1]:
                offset = (
                    np.array([0.052 * np.cos(angle), 0.05 * np.sin(angle) - 0.006])
                    * size
                )
                shapes.append(_disc(centre + offset, 0.034 * size, 0.034 * size, 14))
        elif style == "bun":
            shapes.append(_disc(centre - (0, 0.076 * size), 0.028 * size, 0.026 * size))
        mask = _cover(shapes) if shapes else None
        if mask is not None:
            self._fill_hair(mask, centre)

    def _fill_hair(self, mask: _Mask, centre: np.ndarray) -> None:
        y, x = mask.grid()
        turn = (x - np.float32(centre[0])) / (0.08 * self.height) + 0 * y
        strands = 0.8 + 0.4 * smooth_noise(
            self.rng, (3, max(2, mask.cover.shape[1] // 3)), mask.cover.shape
        )
        shade = self.scene.lit(turn) * strands
        self.scene.fill(mask, self.hair * shade[..., None])
        self.scene.owner[mask.window][mask.cover > 0.5] = 0

    def _draw_head(self, style: str) -> None:
        size = self.height
        centre = self._at([(0.0, 0.08)])[0]
        shadow = _cover(
            [_disc(centre + np.array([0, 0.065 * size]), 0.04 * size, 0.02 * size)]
        )
        if shadow is not None:
            self.scene.darken(shadow, 0.25, 3, 0, 1)
        face = _cover([_disc(centre, 0.046 * size, 0.062 * size, 32)])
        if face is None:
            return
        y, x = face.grid()
        self._fill_skin(
            face, (x - np.float32(centre[0])) / (0.052 * size) + 0 * y, self.skin
        )
        marks: list[tuple[np.ndarray, np.ndarray]] = []
        for side in (-1, 1):
            eye = centre + np.array([side * 0.018, -0.002]) * size
            marks.append(
                (_disc(eye, 0.0075 * size, 0.0055 * size, 10), np.float32([30, 24, 24]))
            )
        mouth = centre + np.array([0, 0.032]) * size
        marks.append(
            (
                _disc(mouth, 0.014 * size, 0.0055 * size, 12),
                self.skin * np.float32([0.8, 0.5, 0.5]),
            )
        )
        if self.rng.random() < 0.2:  # sunglasses
            for side in (-1, 1):
                glass = centre + np.array([side * 0.02, -0.002]) * size
                marks.append(
                    (
                        _disc(glass, 0.018 * size, 0.013 * size, 14),
                        np.float32([24, 24, 28]),
                    )
                )
        for shape, colour in marks:
            mask = _cover([shape])
            if mask is not None:
                self.scene.fill(mask, colour)
        parting = self.rng.uniform(-0.025, 0.025)
        fringe = self.rng.uniform(0.0, 0.02)
        cap = np.array(
            [
                (-0.053, 0.10 if style == "long" else 0.08),
                (-0.056, 0.04),
                (-0.03, 0.008),
                (0.0, 0.0),
                (0.03, 0.008),
                (0.056, 0.04),
                (0.053, 0.10 if style == "long" else 0.08),
                (0.042, 0.06),
                (parting, 0.036 + fringe),
                (-0.042, 0.06),
            ]
        ) * [1 / self.build, 1]
        mask = _cover([_smooth(self._at(cap), 1)])
        if mask is not None:
            self._fill_hair(mask, centre)

    def _draw_arm(self, side: int, upper: Mapping[str, Any]) -> None:
        shoulder, elbow, wrist = self.arms[side]
        size = self.height
        shade = _cover(
            [
                _limb(shoulder, elbow, 0.034 * size, 0.03 * size),
                _limb(elbow, wrist, 0.03 * size, 0.022 * size),
            ]
        )
        if shade is not None:
            self.scene.darken(shade, 0.3, 3, int(-3 * np.sign(self.scene.light)), 2)
        self._fill_limb(shoulder, elbow, 0.032 * size, 0.026 * size, self.skin)
        self._fill_limb(elbow, wrist, 0.027 * size, 0.019 * size, self.skin)
        hand = wrist + (wrist - elbow) * 0.16
        self._fill_limb(wrist, hand, 0.02 * size, 0.02 * size, self.skin)
        if upper["sleeve"] == "sleeveless":
            return
        cloth = self.cloths[upper["kind"]]
        bulk = {"coat": 0.014, "jacket": 0.01, "sweater": 0.008}.get(
            upper["kind"], 0.004
        )
        bulk += 0.6 * _EASE[upper["fit"]]
        wide, mid = (0.036 + bulk) * size, (0.031 + bulk) * size
        if upper["sleeve"] == "short_sleeve":
            end = shoulder + (elbow - shoulder) * 0.66
            self._paint_limb(cloth, shoulder, end, wide, wide * 1.02, 0)
            return
        self._paint_limb(cloth, shoulder, elbow, wide, mid, 0)
        end = elbow + (wrist - elbow) * 0.93
        cuff = (0.024 + 0.8 * bulk) * size
        self._paint_limb(
            cloth, elbow, end, mid, cuff, float(np.hypot(*(elbow - shoulder)))
        )
        band = _cover([_limb(end - (end - elbow) * 0.06, end, cuff, cuff)])
        if band is not None:
            self.scene.fill(band, self.scene.canvas[band.window] * 0.72, 0.7)

    # The clothes.

    def _draw_trousers(self, garment: Mapping[str, Any]) -> None:
        kind = garment["kind"]
        cloth = self.cloths[kind]
        cut = self.rng.choice(["narrow", "straight", "flared"], p=[0.4, 0.4, 0.2])
        thigh = {"narrow": 0.062, "straight": 0.068, "flared": 0.062}[cut]
        knee = {"narrow": 0.042, "straight": 0.054, "flared": 0.046}[cut]
        cuff = {"narrow": 0.028, "straight": 0.046, "flared": 0.064}[cut]
        thigh, knee, cuff = (w / self.build for w in (thigh, knee, cuff))
        hem = self.rng.uniform(0.62, 0.68)
        for leg, side in zip(self.legs, (-1, 1), strict=True):
            (hx, _), (kx, ky), (ax, ay) = leg
            outer = [(0.0, 0.405), (side * 0.084, 0.405), (side * 0.116, 0.5)]
            if kind == "shorts":
                share = (hem - 0.52) / (ky - 0.52)
                x = hx + (kx - hx) * share
                wide = thigh + 0.006
                down = [(x + side * wide, hem), (x - side * wide, hem)]
            else:
                end = ay - 0.008
                down = [
                    ((hx + kx) / 2 + side * thigh, 0.62),
                    (kx + side * knee, ky),
                    (ax + side * cuff, end),
                    (ax - side * cuff, end),
                    (kx - side * knee, ky),
                ]
            outline = self._at(
                [*outer, *down, (side * 0.004, _CROTCH_Y + 0.02), (0.0, _CROTCH_Y)]
            )
            self._paint_rows(_cover([_smooth(outline, 1)]), cloth)
        self._stroke([(-0.09, 0.418), (0.09, 0.418)], 0.009, 0.72)
        if garment["fabric"] == "denim":
            self._stroke([(0.0, 0.42), (0.004, 0.53)], 0.004, 1.35)
            for side in (-1, 1):
                self._stroke([(side * 0.05, 0.425), (side * 0.095, 0.46)], 0.004, 1.4)

    def _draw_skirt(self, garment: Mapping[str, Any]) -> None:
        rng = self.rng
        hem = rng.choice([0.63, 0.70, 0.80]) + rng.uniform(-0.015, 0.015)
        flare = rng.uniform(0.01, 0.1) * (1.2 if garment["finish"] == "pleated" else 1)
        right = [
            (0.084, 0.40),
            (0.116, 0.49),
            (0.118 + flare * 0.6, 0.57),
            (0.12 + flare, hem),
        ]
        outline = _smooth(self._both(right), 1)
        pleats = rng.uniform(14, 22) if garment["finish"] == "pleated" else 0
        mask = _cover([self._wave_hem(outline, hem)])
        sheer = 0.93 if garment["fabric"] == "chiffon" else 1.0
        self._paint_rows(mask, self.cloths["skirt"], pleats=pleats, opacity=sheer)

    def _wave_hem(self, outline: np.ndarray, hem: float) -> np.ndarray:
        return outline

    def _draw_dress(self, garment: Mapping[str, Any]) -> None:
        rng = self.rng
        ease = _EASE[garment["fit"]]
        short = garment["length"] == "mini_length"
        hem = rng.uniform(0.60, 0.66) if short else rng.uniform(0.86, 0.92)
        flare = {"tight": 0.0, "conventional": 0.05, "loose": 0.10}[garment["fit"]]
        flare *= rng.uniform(0.7, 1.3) * (0.8 if short else 1.1)
        top = self._upper_edge(garment)
        right = [
            *top,
            (0.104 + 0.5 * ease, 0.265),
            (0.080 + ease * (1.3 if garment["fit"] == "loose" else 0.8), 0.40),
            (0.114 + 0.5 * ease, 0.50),
            (0.116 + ease + flare * 0.6, (0.5 + hem) / 2),
            (0.112 + ease + flare - (0.02 if garment["fit"] == "tight" else 0), hem),
        ]
        outline = _smooth(self._both(right), 1)
        mask = _cover([outline], self._neck_holes(garment))
        sheer = 0.94 if garment["fabric"] == "chiffon" else 1.0
        pleats = rng.uniform(14, 22) if garment["finish"] == "pleated" else 0
        cloth = self.cloths["dress"]
        self._paint_rows(mask, cloth, pleats=pleats, opacity=sheer)
        if garment["fit"] != "loose" and rng.random() < 0.6:
            self._stroke([(-0.083, 0.405), (0.083, 0.405)], 0.012, 0.62)
        self._trim(garment, hem)

    def _upper_edge(self, garment: Mapping[str, Any]) -> list[tuple[float, float]]:
        """Gives the outline of a garment from the neck to the armpit."""
        if garment["sleeve"] == "sleeveless" and garment["neckline"] == "no_neckline":
            return [(0.0, 0.245), (0.05, 0.232), (0.096, 0.236)]
        if garment["sleeve"] == "sleeveless":
            return [(0.044, 0.158), (0.078, 0.172), (0.084, 0.21)]
        ease = _EASE[garment["fit"]]
        return [(0.040, 0.155), (0.106 + 0.4 * ease, 0.180), (0.110 + 0.5 * ease, 0.20)]

    def _neck_holes(self, garment: Mapping[str, Any]) -> list[np.ndarray]:
        neckline = garment["neckline"]
        if neckline == "crew_neckline":
            return [
                _disc(
                    self._at([(0.0, 0.155)])[0],
                    0.052 * self.height * self.build,
                    0.03 * self.height,
                )
            ]
        if neckline == "v_neckline":
            return [self._at([(-0.06, 0.14), (0.06, 0.14), (0.0, 0.275)])]
        if neckline == "square_neckline":
            return [
                self._at(
                    [(-0.066, 0.14), (0.066, 0.14), (0.062, 0.228), (-0.062, 0.228)]
                )
            ]
        return []

    def _draw_upper(self, garment: Mapping[str, Any]) -> None:
        kind = garment["kind"]
        ease = _EASE[garment["fit"]] + {"coat": 0.016, "jacket": 0.01}.get(kind, 0.0)
        hem = _HEM_Y[kind] + self.rng.uniform(-0.015, 0.02)
        waist = 0.084 + ease * 1.5 if garment["fit"] != "loose" else 0.098 + ease
        right = [
            *self._upper_edge(garment),
            (0.106 + 0.7 * ease, 0.268),
            (waist, 0.40),
            (0.114 + ease, min(0.5, hem)),
        ]
        if kind == "coat":
            right.append((0.124 + 1.4 * ease, hem))
        else:
            right.append((0.112 + ease, hem))
        outline = _smooth(self._both(right), 1)
        if garment["fabric"] == "faux":
            outline = self._fray(outline, 2.6)
        holes = self._neck_holes(garment)
        is_open = kind == "jacket" and "dress" in self.worn
        if is_open:
            holes.append(
                self._at([(-0.034, 0.14), (0.034, 0.14), (0.056, 0.54), (-0.056, 0.54)])
            )
        mask = _cover([outline], holes)
        if mask is None:
            return
        self.scene.darken(mask, 0.35, 3, 0, 4)
        pleats = self.rng.uniform(16, 22) if garment["finish"] == "pleated" else 0
        sheer = 0.95 if garment["fabric"] == "chiffon" else 1.0
        self._paint_rows(mask, self.cloths[kind], pleats=pleats, opacity=sheer)
        self._trim(garment, hem)
        if kind in ("shirt", "jacket", "coat") and not is_open:
            start = 0.26 if garment["neckline"] == "v_neckline" else 0.17
            self._stroke([(0.0, start), (0.0, hem)], 0.005, 0.6)
            if kind != "jacket" or garment["fabric"] == "denim":
                for y in np.arange(start + 0.03, hem - 0.02, 0.055):
                    self._dot_on(
                        (0.012, float(y)), 0.007, 1.5 if kind == "shirt" else 0.4
                    )
        if kind in ("shirt", "coat", "jacket"):
            self._draw_collar(garment)
        if kind == "sweater":
            self._stroke(
                [(-0.11 - ease, hem - 0.012), (0.11 + ease, hem - 0.012)], 0.02, 0.8
            )
        if kind == "coat" and self.rng.random() < 0.4:
            self._stroke([(-waist - 0.004, 0.41), (waist + 0.004, 0.41)], 0.022, 0.6)

    def _draw_collar(self, garment: Mapping[str, Any]) -> None:
        lapel = garment["neckline"] == "v_neckline"
        for side in (-1, 1):
            if lapel:
                shape = [
                    (side * 0.04, 0.145),
                    (side * 0.082, 0.20),
                    (side * 0.05, 0.235),
                    (0.0, 0.278),
                    (side * 0.045, 0.2),
                ]
            else:
                shape = [
                    (side * 0.045, 0.148),
                    (side * 0.06, 0.185),
                    (side * 0.012, 0.205),
                    (0.0, 0.172),
                ]
            mask = _cover([self._at(shape)])
            if mask is not None:
                self.scene.fill(mask, self.scene.canvas[mask.window] * 0.55, 0.35)
                edge = _cover(
                    [self._at(shape)], [self._at(shape) - np.array([side * 1.5, 1.5])]
                )
                if edge is not None:
                    self.scene.fill(edge, self.scene.canvas[edge.window] * 0.4, 0.6)

    def _trim(self, garment: Mapping[str, Any], hem: float) -> None:
        """Draws what makes the neckline and the finish readable."""
        for hole in self._neck_holes(garment):
            centre = hole.mean(0)
            rim = _cover([centre + (hole - centre) * 1.14], [hole])
            if rim is not None:
                self.scene.fill(rim, self.scene.canvas[rim.window] * 0.5, 0.55)
        if garment["neckline"] == "no_neckline" and garment["kind"] == "sweater":
            roll = _cover([_smooth(self._both([(0.038, 0.128), (0.043, 0.175)]), 1)])
            self._paint_rows(roll, self.cloths["sweater"])
            self._stroke([(-0.04, 0.178), (0.04, 0.178)], 0.006, 0.6)
        if garment["finish"] == "embroidered":
            self._embroider(hem)

    def _embroider(self, hem: float) -> None:
        thread = _dull(self.rng, 60, 240)
        if self.rng.random() < 0.6:
            thread = np.float32([216, 172, 64])
        places = [(x, hem - 0.02) for x in np.linspace(-0.1, 0.1, 9)]
        places += [
            (x, 0.30 + 0.045 * (1 - (x / 0.06) ** 2))
            for x in np.linspace(-0.06, 0.06, 6)
        ]
        shapes = []
        for place in self._at(places):
            for angle in np.arange(4) * np.pi / 2 + 0.4:
                tip = place + 0.012 * self.height * np.array(
                    [np.cos(angle), np.sin(angle)]
                )
                shapes.append(_limb(place, tip, 1.4, 0.8))
        mask = _cover(shapes)
        if mask is not None:
            self.scene.fill(mask, thread, 0.9)

    def _stroke(
        self, points: Sequence[tuple[float, float]], width: float, tone: float
    ) -> None:
        """Darkens or lightens a seam."""
        a, b = self._at(points)
        radius = max(width * self.height / 2, 0.8)
        mask = _cover([_limb(a, b, radius, radius)])
        if mask is not None:
            self.scene.fill(mask, self.scene.canvas[mask.window] * tone, 0.8)

    def _dot_on(self, point: tuple[float, float], radius: float, tone: float) -> None:
        mask = _cover(
            [
                _disc(
                    self._at([point])[0], radius * self.height, radius * self.height, 10
                )
            ]
        )
        if mask is not None:
            region = self.scene.canvas[mask.window]
            self.scene.fill(
                mask, region * tone if tone < 1 else region * 0.4 + 140, 0.8
            )

    # Accessories.

    def _draw_hat(self) -> None:
        cloth = self.cloths["hat"]
        size = self.height
        brim = self._at([(0.0, 0.045)])[0]
        wide = self.rng.choice([0.062, 0.10])
        crown = _smooth(
            np.array(
                [
                    (-0.05, 0.045),
                    (-0.046, 0.0),
                    (-0.025, -0.022),
                    (0.025, -0.022),
                    (0.046, 0.0),
                    (0.05, 0.045),
                ]
            )
            * [1 / self.build, 1],
            2,
        )
        shade = _cover([_disc(brim, wide * size, 0.016 * size)])
        if shade is not None:
            self.scene.darken(shade, 0.4, 2, 0, 4)
        self._paint_rows(_cover([_disc(brim, wide * size, 0.016 * size)]), cloth)
        self._paint_rows(_cover([self._at(crown)]), cloth)
        self._stroke([(-0.042, 0.036), (0.042, 0.036)], 0.012, 0.5)

    def _draw_bag(self) -> None:
        cloth = self.cloths["bag"]
        side = self.rng.choice([-1, 1])
        x, y = side * self.rng.uniform(0.1, 0.15), self.rng.uniform(0.47, 0.54)
        wide, high = self.rng.uniform(0.042, 0.062), self.rng.uniform(0.07, 0.1)
        strap = self._at([(-side * 0.07, 0.18), (x - side * 0.02, y)])
        mask = _cover([_limb(strap[0], strap[1], 1.6, 1.6)])
        if mask is not None:
            self.scene.fill(mask, np.float32([40, 32, 28]), 0.9)
        corners = [
            (x - wide, y),
            (x + wide, y),
            (x + wide * 1.1, y + high),
            (x - wide * 1.1, y + high),
        ]
        body = _cover([_smooth(self._at(corners), 1)])
        if body is not None:
            self.scene.darken(body, 0.4, 3, 2, 3)
            self._paint_rows(body, cloth)
            self._stroke(
                [(x - wide, y + high * 0.4), (x + wide, y + high * 0.4)], 0.005, 0.55
            )
            self._dot_on((x, y + high * 0.42), 0.008, 2.0)


def _clip_colour(colour: np.ndarray) -> Colour:
    red, green, blue = np.clip(np.rint(colour), 0, 255).astype(int).tolist()
    return red, green, blue
