"""Textures of clothes and walls of street_fashion: one tile per pattern."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

TILE = 256
Colour = tuple[int, int, int]
_Pen = ImageDraw.ImageDraw
_Draw = Callable[[_Pen, float], None]  # draws in a square of half that side


def read_colours(text: str) -> tuple[Colour, ...]:
    """Reads colours from hexadecimal numbers, two digits for red, green and blue."""
    return tuple(
        (red, green, blue) for red, green, blue in map(bytes.fromhex, text.split())
    )


# Letters as strokes on a grid of 5 by 7 points: without fonts and a text renderer the
# pixels are the same everywhere.
_STROKES = {
    "A": "06 20 46|14 34",
    "B": "03 33 44 45 36 06 00 30 41 42 33",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 06 26 44 42 20 00",
    "E": "40 00 06 46|03 33",
    "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06|40 46|03 43",
    "I": "20 26",
    "K": "00 06|40 03 46",
    "L": "00 06 46",
    "M": "06 00 23 40 46",
    "N": "06 00 46 40",
    "O": "10 30 41 45 36 16 05 01 10",
    "P": "06 00 30 41 42 33 03",
    "R": "06 00 30 41 42 33 03|23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "T": "00 40|20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 26 40",
    "W": "00 16 22 36 40",
    "X": "00 46|40 06",
    "Y": "00 23 40|23 26",
    "Z": "00 40 06 46",
}
_WORDS = (
    *("LOVE", "PARIS", "NYC", "HELLO", "SALE", "OPEN", "CAFE", "STAR", "WILD"),
    *("ROCK", "DREAM", "SMILE", "MILANO", "CITY", "TOKYO", "HOTEL", "FUN", "VIBES"),
    *("GIRL", "YES", "RETRO", "MODE", "CHIC", "WOW", "BERLIN", "ROMA", "PIZZA"),
)
_ACCENTS = read_colours("f4f0e6 f0c828 d6283c 2896be f48232 78be50 9646aa 1e1e24")


class _Motif(NamedTuple):
    """Holds what a tile is drawn from."""

    ground: Colour
    figure: Colour
    rng: np.random.Generator
    scale: float
    placed: bool


def render_texture(
    pattern: str,
    colours: Sequence[Colour],
    rng: np.random.Generator,
    *,
    scale: float = 1.0,
    placed: bool = False,
) -> np.ndarray:
    """Draws one tile of a pattern, twice as large as it will appear in the image.

    Shapes: (256, 256, 4), uint8: red, green, blue and an unused byte.

    Args:
        pattern: one of the 11 patterns.
        colours: the ground first; if there is no second one, it is drawn at random.
        rng: source of every random choice.
        scale: size of the motif; 1 suits a garment.
        placed: whether a graphic or words are printed once, in the middle of the tile,
            instead of all over it.
    """
    ground = colours[0]
    figure = colours[1] if len(colours) > 1 else _contrast(ground, rng)
    return _RENDERERS[pattern](_Motif(ground, figure, rng, scale, placed))


def smooth_noise(
    rng: np.random.Generator, cells: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Draws smooth noise in [0, 1] with about `cells` bumps down and across.

    Shapes: `shape`, float32.
    """
    grid = Image.fromarray(rng.random(cells, dtype=np.float32))
    noise = grid.resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.clip(np.asarray(noise), 0, 1)


def _contrast(ground: Colour, rng: np.random.Generator) -> Colour:
    far = _far_from(ground, _ACCENTS, 200)
    return far[rng.integers(len(far))]


def _far_from(ground: Colour, colours: Sequence[Colour], least: int) -> list[Colour]:
    def distance(colour: Colour) -> int:
        return sum(abs(a - b) for a, b in zip(colour, ground, strict=True))

    return [colour for colour in colours if distance(colour) > least]


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _pack(colours: np.ndarray) -> np.ndarray:
    """Packs colours (N, 3) into one number each: red, green, blue, an unused byte."""
    padded = np.zeros((len(colours), 4), np.uint8)
    padded[:, :3] = np.clip(np.rint(colours), 0, 255)
    return padded.view(np.uint32)[:, 0]


def _blend(ground: Colour, figure: Colour, share: np.ndarray) -> np.ndarray:
    """Mixes two colours by shares in [0, 1], through a table of 256 mixtures."""
    steps = np.linspace(0, 1, 256)[:, None]
    table = _pack(np.array(ground) * (1 - steps) + np.array(figure) * steps)
    return _from_table(table, (share * 255).astype(np.uint8))


def _from_table(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    tile = table.take(np.broadcast_to(index, (TILE, TILE)))
    return tile.view(np.uint8).reshape(TILE, TILE, 4)


def _from_image(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGBA"))


def _coordinates() -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(TILE, dtype=np.float32)
    return line[None, :], line[:, None]


def _turned(rng: np.random.Generator, angle: float) -> np.ndarray:
    """Computes the distance of each point from a line at an angle (0: rows)."""
    x, y = _coordinates()
    return x * np.float32(np.sin(angle)) + y * np.float32(np.cos(angle))


def _solid(motif: _Motif) -> np.ndarray:
    ground, _, rng, _, _ = motif
    noise = smooth_noise(rng, (5, 5), (TILE, TILE))
    return _blend(_mix(ground, (0, 0, 0), 0.05), ground, noise)


def _stripe(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    period = scale * rng.uniform(11, 26)
    angle = rng.choice(
        [0.0, np.pi / 2, np.pi / 4, -np.pi / 4], p=[0.56, 0.32, 0.06, 0.06]
    )
    phase = (_turned(rng, angle + rng.normal(0, 0.02)) / period) % 1
    duty = rng.uniform(0.28, 0.55)
    share = np.clip((duty / 2 - np.abs(phase - 0.5)) * period + 0.5, 0, 1)
    tile = _blend(ground, figure, share)
    if rng.random() < 0.25:
        third = _ACCENTS[rng.integers(len(_ACCENTS))]
        line = np.broadcast_to(np.abs(phase - 0.06) * period < 1.3, (TILE, TILE))
        tile[line, :3] = third
    return tile


def _plaid(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    period = round(scale * rng.uniform(40, 60))
    line = _contrast(ground, rng)
    # Which of the three colours each thread has, alike in both directions.
    threads = np.zeros(period, np.int32)
    half = round(period * rng.uniform(0.2, 0.28))
    middle = period // 2
    threads[middle - half : middle + half] = 1
    gap = max(2, round(period * 0.06))
    threads[middle - gap : middle + gap] = 0
    threads[: max(2, round(period * 0.05))] = 2
    threads = np.tile(threads, TILE // period + 1)[:TILE]
    colours = np.array([ground, figure, line], float)
    table = [
        _pack((share * colours[:, None] + (1 - share) * colours[None]).reshape(9, 3))
        for share in (0.41, 0.59)  # the twill shows one direction a little more
    ]
    x, y = _coordinates()
    twill = ((x + y) % 6 < 3).astype(np.int32)
    crossings = 9 * twill + 3 * threads[:, None] + threads[None]
    return _from_table(np.concatenate(table), crossings)


def _check(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    period = scale * rng.uniform(22, 34)
    x, y = _coordinates()
    across = np.clip((0.25 - np.abs((x / period) % 1 - 0.5)) * period + 0.5, 0, 1)
    down = np.clip((0.25 - np.abs((y / period) % 1 - 0.5)) * period + 0.5, 0, 1)
    if rng.random() < 0.3:  # gingham
        return _blend(ground, figure, (across + down) / 2)
    return _blend(ground, figure, across + down - 2 * across * down)  # chessboard


def _dot(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    period = scale * rng.uniform(18, 28)
    radius = period * rng.uniform(0.25, 0.34)
    x, y = _coordinates()
    row = np.floor(y / period)
    shift = (row % 2) * period / 2 if rng.random() < 0.75 else 0
    across = (x + shift) % period - period / 2
    down = y % period - period / 2
    share = np.clip(radius - np.sqrt(across**2 + down**2) + 0.5, 0, 1)
    return _blend(ground, figure, share)


def _scatter(
    tile: Image.Image,
    stamps: list[Image.Image],
    rng: np.random.Generator,
    spacing: float,
    jitter: float,
) -> None:
    """Pastes stamps over the tile on a staggered grid with random offsets."""
    rows = int(TILE / (spacing * 0.87)) + 2
    columns = int(TILE / spacing) + 2
    offsets = rng.uniform(-jitter, jitter, (rows, columns, 2)) * spacing
    choices = rng.integers(len(stamps), size=(rows, columns))
    for row in range(rows):
        for column in range(columns):
            stamp = stamps[choices[row, column]]
            x = (column - 0.5 * (row % 2)) * spacing + offsets[row, column, 0]
            y = (row - 0.3) * spacing * 0.87 + offsets[row, column, 1]
            corner = round(x - stamp.width / 2), round(y - stamp.height / 2)
            tile.paste(stamp, corner, stamp)


def _stamp(
    size: float, draw: _Draw, turns: Sequence[float] | np.ndarray
) -> list[Image.Image]:
    """Draws a stamp in the square (-1, -1, 1, 1), once for each turn in degrees."""
    side = max(6, round(size))
    large = Image.new("RGBA", (side * 3, side * 3))
    draw(ImageDraw.Draw(large), side * 1.5)
    turned = [large.rotate(turn, Image.Resampling.BILINEAR) for turn in turns]
    return [each.resize((side, side), Image.Resampling.BOX) for each in turned]


def _circle(
    pen: _Pen, half: float, x: float, y: float, radius: float, fill: Colour
) -> None:
    x, y, radius = half * (1 + x), half * (1 + y), half * radius
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _floral(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    size = scale * rng.uniform(25, 38)
    petals = int(rng.integers(5, 8))
    heart = _contrast(figure, rng) if rng.random() < 0.5 else (244, 196, 48)
    leaf = _mix((52, 120, 60), ground, 0.1)
    other = _mix(figure, (255, 255, 255) if sum(figure) < 420 else (200, 60, 90), 0.4)

    def flower(petal: Colour) -> _Draw:
        def draw(pen: _Pen, half: float) -> None:
            for turn in (0.6, 2.9):
                _circle(pen, half, 0.72 * np.cos(turn), 0.72 * np.sin(turn), 0.24, leaf)
            angles = np.arange(petals) * 2 * np.pi / petals
            rim = _mix(petal, (0, 0, 0), 0.25)
            for reach, radius, fill in ((0.46, 0.34, rim), (0.46, 0.28, petal)):
                for angle in angles:
                    x, y = reach * np.cos(angle), reach * np.sin(angle)
                    _circle(pen, half, x, y, radius, fill)
            _circle(pen, half, 0, 0, 0.22, heart)

        return draw

    turns = rng.uniform(0, 360, 2)
    stamps = _stamp(size, flower(figure), turns)
    stamps += _stamp(size * 0.75, flower(other), turns)
    tile = Image.new("RGB", (TILE, TILE), ground)
    _scatter(tile, stamps, rng, size * rng.uniform(1.0, 1.35), 0.22)
    return _from_image(tile)


def _paisley(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    size = scale * rng.uniform(32, 46)
    third = _contrast(figure, rng)
    # A drop with a bent tip.
    turn = np.linspace(0, 2 * np.pi, 40)
    x = 0.62 * np.sin(turn) * np.sin(turn / 2) ** 1.6
    y = -0.86 * np.cos(turn)
    x = x + 0.5 * np.clip(-y - 0.05, 0, 1) ** 1.8
    outline = np.stack([x, -y], 1)
    centre = np.array([0, 0.34])

    def draw(pen: _Pen, half: float) -> None:
        fills = (figure, ground, third, figure)
        for share, fill in zip((1.0, 0.74, 0.56, 0.3), fills, strict=True):
            points = (centre + (outline - centre) * share + 1) * half
            pen.polygon([tuple(point) for point in points], fill=fill)
        for angle in np.linspace(0.3, np.pi - 0.3, 6):
            x, y = 0.75 * np.cos(angle), 0.3 + 0.66 * np.sin(angle)
            _circle(pen, half, x, y, 0.07, third)

    stamps = _stamp(size, draw, rng.uniform(-40, 40, 2))
    stamps += _stamp(size, draw, 180 + rng.uniform(-40, 40, 2))

    def seed(pen: _Pen, half: float) -> None:
        _circle(pen, half, 0, 0, 0.6, third)

    tile = Image.new("RGB", (TILE, TILE), ground)
    _scatter(tile, _stamp(size * 0.2, seed, [0]), rng, size * 0.42, 0.3)
    _scatter(tile, stamps, rng, size * 0.92, 0.08)
    return _from_image(tile)


def _animal(motif: _Motif) -> np.ndarray:
    light, dark = sorted((motif.ground, motif.figure), key=sum, reverse=True)
    motif = motif._replace(ground=light, figure=dark)
    if sum(light) > 600:
        return (_zebra if motif.rng.random() < 0.6 else _cow)(motif)
    return _leopard(motif)


def _leopard(motif: _Motif) -> np.ndarray:
    light, dark, rng, scale, _ = motif
    size = scale * rng.uniform(15, 25)
    fur = _mix(light, (226, 176, 112), 0.75)

    def draw(pen: _Pen, half: float) -> None:
        _circle(pen, half, 0, 0, 0.6, _mix(fur, light, 0.8))
        box = (half * 0.2, half * 0.2, half * 1.8, half * 1.8)
        width = max(2, round(half * 0.42))
        start = 0.0
        for _ in range(3):
            end = start + rng.uniform(70, 105)
            pen.arc(box, start, end, fill=(*dark, 255), width=width)
            start = end + rng.uniform(15, 45)

    stamps = []
    for _ in range(4):
        stamps += _stamp(size, draw, rng.uniform(0, 360, 1))
    tile = Image.new("RGB", (TILE, TILE), fur)
    _scatter(tile, stamps, rng, size * 1.06, 0.2)
    return _from_image(tile)


def _zebra(motif: _Motif) -> np.ndarray:
    light, dark, rng, scale, _ = motif
    period = scale * rng.uniform(20, 32)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.2)
    bend = smooth_noise(rng, (7, 7), (TILE, TILE))
    bend = bend + 0.5 * smooth_noise(rng, (14, 14), (TILE, TILE))
    phase = (_turned(rng, angle) / period + bend * 3.2) % 1
    width = 0.16 + 0.18 * smooth_noise(rng, (10, 10), (TILE, TILE))
    share = np.clip((width - np.abs(phase - 0.5)) * period + 0.5, 0, 1)
    return _blend(light, dark, share)


def _cow(motif: _Motif) -> np.ndarray:
    light, dark, rng, scale, _ = motif
    cells = max(4, round(13 / scale))
    noise = smooth_noise(rng, (cells, cells), (TILE, TILE))
    return _blend(light, dark, np.clip((noise - 0.58) * 24 + 0.5, 0, 1))


def _tie_dye(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, _ = motif
    half = TILE // 2
    line = np.arange(half, dtype=np.float32)
    x = line[None, :] - rng.uniform(0.35, 0.65) * half
    y = line[:, None] - rng.uniform(0.3, 0.6) * half
    wobble = smooth_noise(rng, (8, 8), (half, half)) - 0.5
    reach = np.sqrt(x * x + y * y) / scale
    arms = int(rng.choice([0, 0, 3, 4, 5]))
    swirl = arms * np.arctan2(y, x) if arms else 0
    wave = np.sin(swirl + reach / rng.uniform(5.0, 7.5) + 7 * wobble)
    fringe = smooth_noise(rng, (40, 40), (half, half)) - 0.5
    share = np.clip(0.5 + 0.75 * wave + 0.6 * fringe, 0, 1)[..., None]
    small = np.array(ground, np.float32) * (1 - share)
    small += np.array(figure, np.float32) * share
    pale = np.clip(smooth_noise(rng, (12, 12), (half, half)) * 1.6 - 0.9, 0, 1)
    small += (np.array((250, 246, 240), np.float32) - small) * pale[..., None]
    image = Image.fromarray(np.rint(small).astype(np.uint8))
    return _from_image(image.resize((TILE, TILE), Image.Resampling.BILINEAR))


def _letters(height: float, weight: float) -> dict[str, Image.Image]:
    """Draws a mask of each letter."""
    unit = height / 6
    width = max(1, round(unit * weight))
    masks = {}
    for letter, strokes in _STROKES.items():
        mask = Image.new("L", (round(unit * 5.4), round(unit * 7.6)))
        pen = ImageDraw.Draw(mask)
        for stroke in strokes.split("|"):
            points = [
                (unit * (0.7 + int(p[0]) * 0.9), unit * (0.7 + int(p[1])))
                for p in stroke.split()
            ]
            pen.line(points, fill=255, width=width, joint="curve")
        masks[letter] = mask
    return masks


def _write(
    tile: Image.Image,
    word: str,
    x: float,
    y: float,
    letters: dict[str, Image.Image],
    fill: Colour,
) -> float:
    """Writes a word and returns the x where it ends."""
    for letter in word:
        tile.paste(fill, (round(x), round(y)), letters[letter])
        x += letters[letter].width * 0.96
    return x


def _words_letters(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, placed = motif
    twice = Image.new("RGB", (2 * TILE, 2 * TILE), ground)
    weight = rng.uniform(1.3, 1.8)
    words = [_WORDS[i] for i in rng.integers(len(_WORDS), size=40)]
    if placed:
        lines = words[: rng.integers(1, 4)]
        longest = max(4, max(len(word) for word in lines))
        height = scale * min(2 * 76 / longest * 1.3, 76)
        y = TILE - len(lines) * height * 0.72
        letters = _letters(height, weight)
        for word in lines:
            width = len(word) * height / 6 * 5.2
            _write(twice, word, TILE - width / 2, y, letters, figure)
            y += height * 1.42
        if rng.random() < 0.3:
            line = (TILE - 70, round(y), TILE + 70, round(y) + 6)
            ImageDraw.Draw(twice).rectangle(line, fill=figure)
    else:
        height = 2 * scale * rng.uniform(20, 28)
        third = _contrast(ground, rng)
        letters = _letters(height, weight)
        y, used = -height * 0.3, 0
        while y < 2 * TILE:
            x = -height * rng.uniform(0, 2)
            while x < 2 * TILE:
                fill = figure if rng.random() < 0.75 else third
                word = words[used % len(words)]
                x = _write(twice, word, x, y, letters, fill) + height * 0.5
                used += 1
            y += height * 1.5
    return _from_image(twice.reduce(2))


def _shapes(text: str) -> list[tuple[int, list[float]]]:
    """Reads shapes: a colour, then x, y, radius of a disc or x, y, ... of a polygon."""
    shapes = [[float(number) for number in shape.split()] for shape in text.split("|")]
    return [(int(colour), numbers) for colour, *numbers in shapes]


def _star(colour: int, size: float) -> tuple[int, list[float]]:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    reach = np.where(np.arange(10) % 2, 0.42, 1.0)
    points = np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1) * size
    return colour, points.ravel().tolist()


# What graphic tees show, in four colours; the last is the third one, darker.
_EMBLEMS = (
    _shapes(  # heart
        "0 -.42 -.3 .48|0 .42 -.3 .48|0 -.86 -.1 .86 -.1 0 .95|1 -.4 -.4 .16"
    ),
    [_star(0, 1.0), _star(1, 0.55)],
    _shapes(  # sun over mountains
        "0 0 0 1|1 .25 -.3 .36|2 -.95 .3 -.35 -.45 .2 .3|3 -.3 .3 .3 -.1 .95 .3"
        "|1 -.95 .3 .95 .3 .5 .86 -.5 .86"
    ),
    _shapes(  # smiling face
        "0 0 0 1|2 -.36 -.28 .15|2 .36 -.28 .15|2 0 .22 .5"
        "|0 -.6 .15 .6 .15 .55 -.02 -.55 -.02"
    ),
    _shapes(  # cat
        "0 0 .15 .8|0 -.78 .1 -.72 -.95 -.1 -.5|0 .78 .1 .72 -.95 .1 -.5"
        "|1 -.32 .05 .2|1 .32 .05 .2|2 -.32 .05 .09|2 .32 .05 .09"
        "|2 -.14 .36 .14 .36 0 .52"
    ),
    _shapes(  # lightning in a ring
        "0 0 0 1|2 0 0 .8|1 .2 -.7 -.45 .12 -.05 .12 -.2 .7 .45 -.15 .05 -.15"
    ),
    _shapes(  # overlapping shapes
        "0 -.35 -.3 .6|1 -.1 -.6 .95 -.6 .95 .4 -.1 .4|2 -.7 .95 0 -.2 .7 .95"
    ),
    _shapes(  # palm before a sunset
        "0 0 .05 .95|1 0 .25 .62|2 -.08 -.3 .06 -.3 .14 .95 -.06 .95"
        "|2 0 -.4 -.8 -.3 -.32 -.105|2 0 -.4 -.6 -.8 -.24 -.48|2 0 -.4 .1 -1 .04 -.63"
        "|2 0 -.4 .65 -.7 .26 -.405|2 0 -.4 .8 -.2 .32 -.03"
    ),
)


def _draw_emblem(
    pen: _Pen,
    kind: int,
    centre: tuple[float, float],
    size: float,
    colours: Sequence[Colour],
) -> None:
    fills = [*colours, _mix(colours[2], (0, 0, 0), 0.3)]
    for colour, numbers in _EMBLEMS[kind]:
        is_disc = len(numbers) == 3
        if is_disc:
            x, y, radius = numbers
            numbers = [x - radius, y - radius, x + radius, y + radius]
        points = np.reshape(numbers, (-1, 2)) * size + centre
        draw = pen.ellipse if is_disc else pen.polygon
        draw(points.ravel().tolist(), fill=fills[colour])


def _graphic(motif: _Motif) -> np.ndarray:
    ground, figure, rng, scale, placed = motif
    twice = Image.new("RGB", (2 * TILE, 2 * TILE), ground)
    pen = ImageDraw.Draw(twice)
    choices = _far_from(ground, (figure, *_ACCENTS), 150)

    def palette() -> list[Colour]:
        return [choices[i] for i in rng.permutation(len(choices))[:3]]

    if placed:
        if rng.random() < 0.3:
            box = (TILE - 84, TILE - 84, TILE + 84, TILE + 84)
            pen.rectangle(box, fill=palette()[0])
        size = 2 * scale * rng.uniform(29, 37)
        _draw_emblem(pen, int(rng.integers(8)), (TILE, TILE), size, palette())
    else:
        step = 2 * scale * rng.uniform(30, 44)
        kinds = rng.integers(8, size=3)
        colours = [palette() for _ in range(3)]
        for row in range(int(2 * TILE / step) + 2):
            for column in range(int(2 * TILE / step) + 2):
                which = rng.integers(3)
                centre = ((column + 0.5 * (row % 2)) * step, row * step)
                _draw_emblem(pen, kinds[which], centre, step * 0.4, colours[which])
    return _from_image(twice.reduce(2))


_RENDERERS: dict[str, Callable[[_Motif], np.ndarray]] = {
    "solid": _solid,
    "plaid": _plaid,
    "floral": _floral,
    "stripe": _stripe,
    "check": _check,
    "graphic": _graphic,
    "tie dye": _tie_dye,
    "animal": _animal,
    "words letters": _words_letters,
    "dot": _dot,
    "paisley": _paisley,
}
# The pattern attributes of Shen, Zhao and Luo, section IV-A, in their order.
PATTERNS = tuple(_RENDERERS)
