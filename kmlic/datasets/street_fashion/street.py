"""Streets of street_fashion: walls and objects with the patterns of garments."""

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kmlic.datasets.street_fashion.canvas import (
    PALETTE,
    SIDE,
    Scene,
    cover_shapes,
    dull_tone,
    ellipse,
    empty_picture,
    illuminate,
    round_corners,
    sample_tile,
    tone,
)
from kmlic.datasets.street_fashion.textures import (
    PATTERNS,
    TILE,
    read_colours,
    render_texture,
    smooth_noise,
)

_PATTERNS = PATTERNS[1:]  # all but "solid"
_TILES = 12  # per pattern, drawn once per process and then reused
_BLOOMS = read_colours("f0f0eb e23c5a f4be3c be6ec8")


def draw_street(scene: Scene, seed: int) -> float:
    """Paints wall, ground and objects; returns the y where wall and ground meet.

    All patterns but "solid" are equally likely, whatever the figure wears, so that a
    street contains no information about the garments.

    Args:
        scene: an empty scene.
        seed: of the dataset; all its streets share one set of tiles.
    """
    rng = scene.rng
    horizon = float(rng.uniform(0.58, 0.84)) * SIDE
    wall = rng.choice(len(_WALLS), p=[share for share, _ in _WALLS])
    scene.canvas[:] = _WALLS[wall][1](rng, seed, horizon)
    _draw_ground(scene, seed, horizon)
    for _ in range(rng.integers(0, 2)):
        _hang_poster(scene, seed, horizon)
    for _ in range(rng.integers(0, 3)):
        x = float(rng.uniform(0, SIDE))
        foot = float(rng.uniform(horizon + 4, min(horizon + 40, SIDE)))
        _OBJECTS[rng.integers(len(_OBJECTS))](scene, seed, x, foot)
    # The figure is in focus, the street is not.
    pixels = np.clip(scene.canvas, 0, 255).astype(np.uint8)
    blur = ImageFilter.BoxBlur(float(rng.uniform(2.5, 4.2)))
    for plane in range(3):  # which are not copied, as they are stored one by one
        blurred = Image.fromarray(pixels[..., plane]).filter(blur)
        scene.canvas[..., plane] = np.asarray(blurred)
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light = 0.95 + np.float32(0.16 * scene.light) * slope
    haze = np.float32(rng.uniform(0.35, 0.65))
    scene.canvas *= ((1 - haze) * light)[None, :, None]
    scene.canvas += haze * dull_tone(rng, 120, 190)
    return horizon


def draw_foreground(scene: Scene) -> None:
    """Paints a plant or a lamp in front of the edge of some pictures."""
    rng = scene.rng
    if rng.random() < 0.2:
        x = float(rng.uniform(-8, 24))
        x = x if rng.random() < 0.5 else SIDE - x
        if rng.random() < 0.6:
            _draw_plant(scene, 0, x, SIDE + float(rng.uniform(4, 16)), size=34)
        else:
            _draw_lamp(scene, 0, x, SIDE + 10)


@functools.cache
def _tile(seed: int, pattern: str, number: int) -> np.ndarray:
    """Draws one of the tiles of a dataset's streets, in the colours of garments."""
    rng = np.random.default_rng((seed, 1, _PATTERNS.index(pattern), number))
    palette = list(PALETTE.values())
    first, second = rng.permutation(len(palette))[:2]
    scale = float(rng.uniform(0.8, 1.7))
    return render_texture(pattern, [palette[first], palette[second]], rng, scale=scale)


def _any_tile(rng: np.random.Generator, seed: int) -> np.ndarray:
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    return _tile(seed, pattern, int(rng.integers(_TILES)))


# Walls: each function returns a complete canvas.


def _textured_wall(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    tile = _any_tile(rng, seed)
    line = np.arange(SIDE, dtype=np.float32)
    zoom, tilt, lean = rng.uniform(0.7, 1.05), rng.normal(0, 0.08), rng.normal(0, 0.06)
    start_x, start_y = rng.integers(TILE, size=2).astype(np.float32)
    x = line[None, :] + np.float32(tilt) * line[:, None] + start_x
    y = line[:, None] + np.float32(lean) * line[None, :] + start_y
    return sample_tile(tile, y * np.float32(zoom), x * np.float32(zoom))


def _brick_wall(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    brick = tone(rng.uniform(120, 190), rng.uniform(70, 120), rng.uniform(55, 100))
    joint = (brick * 0.6 + 70).astype(int).tolist()
    image = Image.new("RGB", (SIDE, SIDE), tuple(joint))
    pen = ImageDraw.Draw(image)
    height = int(rng.integers(10, 17))
    width = 2.2 * height
    rows, columns = SIDE // height + 1, int(SIDE / width) + 2
    shades = rng.normal(1, 0.09, (rows, columns, 1))
    fills = np.clip(brick * shades, 0, 255).astype(int).tolist()
    for row in range(rows):
        for column in range(columns):
            x, y = (column - 0.5 * (row % 2)) * width, row * height
            fill = tuple(fills[row][column])
            pen.rectangle((x, y, x + width - 3, y + height - 3), fill=fill)
    return np.asarray(image)


def _plaster_wall(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    noise = smooth_noise(rng, (9, 9), (SIDE, SIDE))
    return illuminate(dull_tone(rng), 0.86 + 0.2 * noise)


def _houses(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    sky = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
    high, low = tone(120, 166, 216), tone(222, 226, 226)
    heaven = np.broadcast_to(high + (low - high) * sky, (SIDE, SIDE, 3))
    image = Image.fromarray(heaven.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    x = -float(rng.uniform(0, 40))
    while x < SIDE:
        width, y = float(rng.uniform(44, 100)), float(rng.uniform(-30, 0.5 * horizon))
        wall = dull_tone(rng, 90, 200).clip(0, 255).astype(int).tolist()
        pen.rectangle((x, y, x + width, SIDE), fill=tuple(wall))
        glass = dull_tone(rng, 40, 230)
        across, down = float(rng.uniform(14, 24)), float(rng.uniform(18, 32))
        wide, tall = across * rng.uniform(0.4, 0.65), down * rng.uniform(0.45, 0.65)
        for wy in np.arange(y + 6, horizon, down).tolist():
            for wx in np.arange(x + 5, x + width - wide, across).tolist():
                pane = glass * np.float32(rng.uniform(0.8, 1.15))
                fill = tuple(pane.clip(0, 255).astype(int).tolist())
                pen.rectangle((wx, wy, wx + wide, wy + tall), fill=fill)
        x += width
    return np.asarray(image)


def _hedge(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    leaves = 0.6 * smooth_noise(rng, (40, 40), (SIDE, SIDE))
    leaves += 0.4 * smooth_noise(rng, (12, 12), (SIDE, SIDE))
    green = tone(rng.uniform(40, 80), rng.uniform(95, 135), rng.uniform(40, 70))
    picture = illuminate(green, 0.35 + leaves)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8, order="C"))
    if rng.random() < 0.7:
        pen = ImageDraw.Draw(image)
        bloom = _BLOOMS[rng.integers(len(_BLOOMS))]
        for x, y, size in rng.uniform((0, 0, 4), (SIDE, SIDE, 8), (45, 3)).tolist():
            for angle in (np.arange(5) * 1.2566).tolist():
                petal = x + size * np.cos(angle), y + size * np.sin(angle)
                pen.circle(petal, 0.62 * size, fill=bloom)
            pen.circle((x, y), 0.5 * size, fill=(250, 220, 90))
    return np.asarray(image)


def _shop(rng: np.random.Generator, seed: int, horizon: float) -> np.ndarray:
    picture = empty_picture(SIDE, SIDE)
    picture[:] = dull_tone(rng, 40, 190)
    line = np.arange(SIDE, dtype=np.float32)
    sign = int(rng.uniform(0.1, 0.2) * SIDE)
    letters = _tile(seed, "words letters", int(rng.integers(_TILES)))
    rows = line[4:sign, None]
    picture[4:sign] = sample_tile(letters, rows * 0.75, line[None, :] * 0.75)
    awning = sign + int(rng.uniform(0.08, 0.18) * SIDE)
    cloth = _tile(seed, "stripe", int(rng.integers(_TILES)))
    rows = line[sign:awning, None]
    flare = 1 - 0.3 * (rows - sign) / (awning - sign)
    columns = (line[None, :] - SIDE / 2) * flare + SIDE / 2
    light = 0.75 + 0.3 * (1 - flare)
    picture[sign:awning] = sample_tile(cloth, rows, columns) * light[..., None]
    top, low = awning + 6, int(horizon - 0.06 * SIDE)
    goods = _any_tile(rng, seed)
    for left in range(10, SIDE, 84):
        right = min(left + 74, SIDE)
        glow = smooth_noise(rng, (4, 4), (low - top, right - left))
        shown = sample_tile(goods, line[top:low, None], line[None, left:right])
        glass = illuminate(dull_tone(rng, 50, 130), 0.7 + 0.8 * glow)
        picture[top:low, left:right] = 0.55 * glass + 0.45 * shown
    return picture


def _draw_ground(scene: Scene, seed: int, horizon: float) -> None:
    rng = scene.rng
    start = int(horizon)
    shape = (SIDE - start, SIDE)
    rows = np.arange(start, SIDE, dtype=np.float32)[:, None]
    near = (rows - np.float32(horizon - 14)) / 60
    depth = 70 / near
    middle = SIDE * rng.uniform(0.3, 0.7)
    across = (np.arange(SIDE, dtype=np.float32)[None, :] - np.float32(middle)) / near
    kind = rng.random()
    ground: np.ndarray
    if kind < 0.2:
        pattern = sample_tile(_any_tile(rng, seed), depth * 2, across * 0.8 + 20 * TILE)
        mean = np.ascontiguousarray(pattern).mean((0, 1))
        # In the distance a pattern is finer than a pixel: use its mean.
        ground = mean + (pattern - mean) * np.clip(near * 1.2 - 0.2, 0, 1)[..., None]
    elif kind < 0.48:
        gap = ((depth * 1.5 % 24) < 2.5) | ((across % 34) < 2)
        shade = np.where(gap, np.float32(0.75), 1)
        ground = illuminate(dull_tone(rng, 120, 190), shade)
    elif kind < 0.66:
        blades = smooth_noise(rng, (60, 90), shape)
        ground = illuminate(tone(84, 124, 62), 0.65 + 0.6 * blades)
    else:
        grit = smooth_noise(rng, (30, 60), shape)
        ground = illuminate(dull_tone(rng, 70, 150), 0.85 + 0.25 * grit)
        if rng.random() < 0.3:  # a crossing
            bars = ((across % 60) < 28) & (near > 0.45)
            ground[bars] = 225
    scene.canvas[start:] = ground
    scene.canvas[max(start - 3, 0) : start + 3] *= 0.75


def _hang_poster(scene: Scene, seed: int, horizon: float) -> None:
    rng = scene.rng
    height, width = rng.integers(34, 90, 2).tolist()
    left = int(rng.integers(-10, SIDE - 20))
    top = int(rng.integers(0, max(int(horizon) - height, 10)))
    x0, x1 = max(left, 0), min(left + width, SIDE)
    scene.canvas[top : top + height, x0:x1] = dull_tone(rng, 20, 240)
    y = np.arange(top + 3, top + height - 3, dtype=np.float32)[:, None]
    x = np.arange(x0 + 3, x1 - 3, dtype=np.float32)[None, :]
    picture = sample_tile(_any_tile(rng, seed), y, x)
    scene.canvas[top + 3 : top + height - 3, x0 + 3 : x1 - 3] = picture


# Objects: each stands with its foot at (x, foot).


def _draw_lamp(scene: Scene, seed: int, x: float, foot: float) -> None:
    metal = dull_tone(scene.rng, 30, 90)
    top = float(scene.rng.uniform(-20, 60))
    pole = [(x - 3, top), (x + 3, top), (x + 4, foot), (x - 4, foot)]
    scene.fill(cover_shapes([np.array(pole)]), metal)
    scene.fill(cover_shapes([ellipse(np.array([x, top]), 12, 10)]), tone(250, 236, 190))


def _draw_plant(
    scene: Scene, seed: int, x: float, foot: float, size: float = 23
) -> None:
    rng = scene.rng
    rim, base = 0.6 * size, 0.42 * size
    brim = foot - size
    pot = [(x - rim, brim), (x + rim, brim), (x + base, foot), (x - base, foot)]
    scene.fill_round(cover_shapes([np.array(pot)]), x, rim, tone(168, 92, 62))
    root = np.array([x, brim])
    for angle in rng.uniform(-2.6, -0.5, 11).tolist():
        reach = size * rng.uniform(1.1, 2.2)
        way = reach * np.array([np.cos(angle), np.sin(angle)])
        side = 0.13 * np.array([-way[1], way[0]])
        middle = root + way / 2
        leaf = round_corners(np.array([root, middle + side, root + way, middle - side]))
        green = tone(52, 116, 58) * np.float32(rng.uniform(0.6, 1.25))
        scene.fill(cover_shapes([leaf]), green)


def _draw_parasol(scene: Scene, seed: int, x: float, foot: float) -> None:
    rng = scene.rng
    top, wide = foot - float(rng.uniform(110, 170)), float(rng.uniform(45, 75))
    pole = [(x - 2, top), (x + 2, top), (x + 2, foot), (x - 2, foot)]
    scene.fill(cover_shapes([np.array(pole)]), tone(90, 84, 80))
    edge = top + 34
    roof = np.array([(x, top - 10), (x + wide, edge), (x - wide, edge)])
    mask = cover_shapes([round_corners(roof, 1)])
    if mask is not None:
        cloth = sample_tile(_any_tile(rng, seed), *mask.grid())
        scene.fill_round(mask, x, wide, cloth, 0.8)


def _draw_bin(scene: Scene, seed: int, x: float, foot: float) -> None:
    top = foot - 44
    box = [(x - 15, top), (x + 15, top), (x + 13, foot), (x - 13, foot)]
    mask = cover_shapes([np.array(box)])
    if mask is not None:
        _, columns = mask.grid()
        bars = np.where(columns % 6 < 3, np.float32(1.15), np.float32(0.85))
        light = scene.lit((columns - np.float32(x)) / 16) * bars
        scene.fill(mask, illuminate(dull_tone(scene.rng, 50, 130), light))


def _draw_balloons(scene: Scene, seed: int, x: float, foot: float) -> None:
    rng = scene.rng
    palette = list(PALETTE.values())
    for dx, y, size in rng.uniform((-26, 20, 8), (26, 110, 15), (5, 3)).tolist():
        mask = cover_shapes([ellipse(np.array([x + dx, y]), size, size * 1.15)])
        if mask is not None:
            colour = tone(*palette[rng.integers(len(palette))])
            scene.fill_round(mask, x + dx, size, colour)


_Wall = Callable[[np.random.Generator, int, float], np.ndarray]
_WALLS: tuple[tuple[float, _Wall], ...] = (
    (0.20, _textured_wall),
    (0.15, _brick_wall),
    (0.24, _plaster_wall),
    (0.15, _houses),
    (0.13, _hedge),
    (0.13, _shop),
)
_Object = Callable[[Scene, int, float, float], None]
_OBJECTS: tuple[_Object, ...]
_OBJECTS = (_draw_lamp, _draw_plant, _draw_parasol, _draw_bin, _draw_balloons)
