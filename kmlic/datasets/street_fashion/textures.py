"""Cloth and wall textures of street_fashion: one tile for each of the 11 patterns."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

TILE = 256
Colour = tuple[int, int, int]

# Letters as strokes on a grid of 5 by 7 points: no font file, no text renderer, the
# same pixels everywhere.
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
_ACCENTS: tuple[Colour, ...] = (
    (244, 240, 230),
    (240, 200, 40),
    (214, 40, 60),
    (40, 150, 190),
    (244, 130, 50),
    (120, 190, 80),
    (150, 70, 170),
    (30, 30, 36),
)


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
        colours: the ground first; one colour where the pattern needs two is completed.
        rng: drawn from for every choice.
        scale: size of the motif; 1 suits a garment.
        placed: whether a graphic or words are one print in the tile's middle rather
            than all over it.
    """
    ground = colours[0]
    figure = colours[1] if len(colours) > 1 else _contrast(ground, rng)
    return _RENDERERS[pattern](ground, figure, rng, scale, placed)


def smooth_noise(
    rng: np.random.Generator, cells: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Draws noise in [0, 1] that varies over `cells` rows and columns of a map.

    Shapes: `shape`, float32.
    """
    grid = Image.fromarray(rng.random(cells, dtype=np.float32))
    noise = grid.resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.clip(np.asarray(noise), 0, 1)


def _contrast(ground: Colour, rng: np.random.Generator) -> Colour:
    far = [
        c
        for c in _ACCENTS
        if sum(abs(a - b) for a, b in zip(c, ground, strict=True)) > 200
    ]
    return far[rng.integers(len(far))]


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _pack(colours: np.ndarray) -> np.ndarray:
    """Puts colours (N, 3) into one number each, four bytes: red, green, blue, none."""
    padded = np.zeros((len(colours), 4), np.uint8)
    padded[:, :3] = np.clip(np.rint(colours), 0, 255)
    return padded.view(np.uint32)[:, 0]


def _blend(ground: Colour, figure: Colour, share: np.ndarray) -> np.ndarray:
    """Colours a map of shares in [0, 1], through a table of the 256 mixtures."""
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
    """Gives the distance of each point from a line at an angle (0: rows)."""
    x, y = _coordinates()
    return x * np.float32(np.sin(angle)) + y * np.float32(np.cos(angle))


def _solid(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    noise = smooth_noise(rng, (5, 5), (TILE, TILE))
    return _blend(_mix(ground, (0, 0, 0), 0.05), ground, noise)


def _stripe(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
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


def _plaid(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
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


def _check(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    period = scale * rng.uniform(22, 34)
    x, y = _coordinates()
    across = np.clip((0.25 - np.abs((x / period) % 1 - 0.5)) * period + 0.5, 0, 1)
    down = np.clip((0.25 - np.abs((y / period) % 1 - 0.5)) * period + 0.5, 0, 1)
    if rng.random() < 0.3:  # gingham
        return _blend(ground, figure, (across + down) / 2)
    return _blend(ground, figure, across + down - 2 * across * down)  # chessboard


def _dot(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
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
    """Pastes stamps over the tile on a staggered grid."""
    rows = int(TILE / (spacing * 0.87)) + 2
    columns = int(TILE / spacing) + 2
    places = rng.uniform(-jitter, jitter, (rows, columns, 2)) * spacing
    choices = rng.integers(len(stamps), size=(rows, columns))
    for row in range(rows):
        for column in range(columns):
            stamp = stamps[choices[row, column]]
            x = (column - 0.5 * (row % 2)) * spacing + places[row, column, 0]
            y = (row - 0.3) * spacing * 0.87 + places[row, column, 1]
            tile.paste(
                stamp, (round(x - stamp.width / 2), round(y - stamp.height / 2)), stamp
            )


def _stamp(
    size: float,
    draw: Callable[[ImageDraw.ImageDraw, float], None],
    turns: Sequence[float] | np.ndarray,
) -> list[Image.Image]:
    """Draws a motif in the square (-1, -1, 1, 1), once for each turn in degrees."""
    side = max(6, round(size))
    large = Image.new("RGBA", (side * 3, side * 3))
    draw(ImageDraw.Draw(large), side * 1.5)
    return [
        large.rotate(turn, Image.Resampling.BILINEAR).resize(
            (side, side), Image.Resampling.BOX
        )
        for turn in turns
    ]


def _circle(
    pen: ImageDraw.ImageDraw,
    half: float,
    x: float,
    y: float,
    radius: float,
    fill: Colour,
) -> None:
    x, y, radius = half * (1 + x), half * (1 + y), half * radius
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _floral(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    size = scale * rng.uniform(25, 38)
    petals = int(rng.integers(5, 8))
    heart = _contrast(figure, rng) if rng.random() < 0.5 else (244, 196, 48)
    leaf = _mix((52, 120, 60), ground, 0.1)
    other = _mix(figure, (255, 255, 255) if sum(figure) < 420 else (200, 60, 90), 0.4)

    def flower(petal: Colour) -> Callable[[ImageDraw.ImageDraw, float], None]:
        def draw(pen: ImageDraw.ImageDraw, half: float) -> None:
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


def _paisley(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    size = scale * rng.uniform(32, 46)
    third = _contrast(figure, rng)
    turn = np.linspace(0, 2 * np.pi, 40)
    # A drop whose tip is bent aside.
    x = 0.62 * np.sin(turn) * np.sin(turn / 2) ** 1.6
    y = -0.86 * np.cos(turn)
    x = x + 0.5 * np.clip(-y - 0.05, 0, 1) ** 1.8
    outline = np.stack([x, -y], 1)
    centre = np.array([0, 0.34])

    def draw(pen: ImageDraw.ImageDraw, half: float) -> None:
        for share, fill in (
            (1.0, figure),
            (0.74, ground),
            (0.56, third),
            (0.3, figure),
        ):
            points = (centre + (outline - centre) * share + 1) * half
            pen.polygon([tuple(point) for point in points], fill=fill)
        for angle in np.linspace(0.3, np.pi - 0.3, 6):
            _circle(
                pen, half, 0.75 * np.cos(angle), 0.3 + 0.66 * np.sin(angle), 0.07, third
            )

    stamps = _stamp(size, draw, rng.uniform(-40, 40, 2))
    stamps += _stamp(size, draw, 180 + rng.uniform(-40, 40, 2))

    def seed(pen: ImageDraw.ImageDraw, half: float) -> None:
        _circle(pen, half, 0, 0, 0.6, third)

    tile = Image.new("RGB", (TILE, TILE), ground)
    _scatter(tile, _stamp(size * 0.2, seed, [0]), rng, size * 0.42, 0.3)
    _scatter(tile, stamps, rng, size * 0.92, 0.08)
    return _from_image(tile)


def _animal(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    light, dark = sorted((ground, figure), key=sum, reverse=True)
    if sum(light) > 600:
        return (_zebra if rng.random() < 0.6 else _cow)(light, dark, rng, scale)
    return _leopard(light, dark, rng, scale)


def _leopard(
    light: Colour, dark: Colour, rng: np.random.Generator, scale: float
) -> np.ndarray:
    size = scale * rng.uniform(15, 25)
    fur = _mix(light, (226, 176, 112), 0.75)

    def draw(pen: ImageDraw.ImageDraw, half: float) -> None:
        _circle(pen, half, 0, 0, 0.6, _mix(fur, light, 0.8))
        box = (half * 0.2, half * 0.2, half * 1.8, half * 1.8)
        width = max(2, round(half * 0.42))
        start = 0.0
        for _ in range(3):
            end = start + rng.uniform(70, 105)
            pen.arc(box, start, end, fill=(*dark, 255), width=width)
            start = end + rng.uniform(15, 45)

    stamps = [
        stamp for _ in range(4) for stamp in _stamp(size, draw, rng.uniform(0, 360, 1))
    ]
    tile = Image.new("RGB", (TILE, TILE), fur)
    _scatter(tile, stamps, rng, size * 1.06, 0.2)
    return _from_image(tile)


def _zebra(
    light: Colour, dark: Colour, rng: np.random.Generator, scale: float
) -> np.ndarray:
    period = scale * rng.uniform(20, 32)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.2)
    bend = smooth_noise(rng, (7, 7), (TILE, TILE)) + 0.5 * smooth_noise(
        rng, (14, 14), (TILE, TILE)
    )
    phase = (_turned(rng, angle) / period + bend * 3.2) % 1
    width = 0.16 + 0.18 * smooth_noise(rng, (10, 10), (TILE, TILE))
    share = np.clip((width - np.abs(phase - 0.5)) * period + 0.5, 0, 1)
    return _blend(light, dark, share)


def _cow(
    light: Colour, dark: Colour, rng: np.random.Generator, scale: float
) -> np.ndarray:
    cells = max(4, round(13 / scale))
    noise = smooth_noise(rng, (cells, cells), (TILE, TILE))
    return _blend(light, dark, np.clip((noise - 0.58) * 24 + 0.5, 0, 1))


def _tie_dye(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
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
    """Draws every letter once, as a mask to paste through."""
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
    """Writes a word and gives the x where it ends."""
    for letter in word:
        tile.paste(fill, (round(x), round(y)), letters[letter])
        x += letters[letter].width * 0.96
    return x


def _words_letters(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
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


def _star(points: int, inner: float) -> np.ndarray:
    angles = np.arange(2 * points) * np.pi / points - np.pi / 2
    reach = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1)


def _emblem(
    pen: ImageDraw.ImageDraw,
    kind: int,
    centre: tuple[float, float],
    size: float,
    colours: Sequence[Colour],
) -> None:
    """Draws one picture: what a graphic tee shows."""
    first, second, third = colours
    cx, cy = centre

    def shape(points: Sequence[Sequence[float]] | np.ndarray, fill: Colour) -> None:
        pen.polygon(
            [(cx + size * float(x), cy + size * float(y)) for x, y in points], fill=fill
        )

    def disc(x: float, y: float, radius: float, fill: Colour) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(
            [c + size * v for c, v in zip((cx, cy, cx, cy), box, strict=True)],
            fill=fill,
        )

    if kind == 0:  # heart
        disc(-0.42, -0.3, 0.48, first)
        disc(0.42, -0.3, 0.48, first)
        shape([(-0.86, -0.1), (0.86, -0.1), (0, 0.95)], first)
        disc(-0.4, -0.4, 0.16, second)
    elif kind == 1:  # star
        shape(_star(5, 0.42), first)
        shape(_star(5, 0.42) * 0.55, second)
    elif kind == 2:  # sun over mountains
        disc(0, 0, 1, first)
        disc(0.25, -0.3, 0.36, second)
        shape([(-0.95, 0.3), (-0.35, -0.45), (0.2, 0.3)], third)
        shape([(-0.3, 0.3), (0.3, -0.1), (0.95, 0.3)], _mix(third, (0, 0, 0), 0.3))
        shape([(-0.95, 0.3), (0.95, 0.3), (0.5, 0.86), (-0.5, 0.86)], second)
    elif kind == 3:  # smiling face
        disc(0, 0, 1, first)
        disc(-0.36, -0.28, 0.15, third)
        disc(0.36, -0.28, 0.15, third)
        disc(0, 0.22, 0.5, third)
        shape([(-0.6, -0.35 + 0.5), (0.6, 0.15), (0.55, -0.02), (-0.55, -0.02)], first)
    elif kind == 4:  # cat
        disc(0, 0.15, 0.8, first)
        shape([(-0.78, 0.1), (-0.72, -0.95), (-0.1, -0.5)], first)
        shape([(0.78, 0.1), (0.72, -0.95), (0.1, -0.5)], first)
        disc(-0.32, 0.05, 0.2, second)
        disc(0.32, 0.05, 0.2, second)
        disc(-0.32, 0.05, 0.09, third)
        disc(0.32, 0.05, 0.09, third)
        shape([(-0.14, 0.36), (0.14, 0.36), (0, 0.52)], third)
    elif kind == 5:  # lightning in a ring
        disc(0, 0, 1, first)
        disc(0, 0, 0.8, third)
        bolt = [
            (0.2, -0.7),
            (-0.45, 0.12),
            (-0.05, 0.12),
            (-0.2, 0.7),
            (0.45, -0.15),
            (0.05, -0.15),
        ]
        shape(bolt, second)
    elif kind == 6:  # overlapping shapes
        disc(-0.35, -0.3, 0.6, first)
        shape([(-0.1, -0.6), (0.95, -0.6), (0.95, 0.4), (-0.1, 0.4)], second)
        shape([(-0.7, 0.95), (0.0, -0.2), (0.7, 0.95)], third)
    else:  # palm before a sunset
        disc(0, 0.05, 0.95, first)
        disc(0, 0.25, 0.62, second)
        shape([(-0.08, -0.3), (0.06, -0.3), (0.14, 0.95), (-0.06, 0.95)], third)
        for x, y in (
            (-0.8, -0.3),
            (-0.6, -0.8),
            (0.1, -1.0),
            (0.65, -0.7),
            (0.8, -0.2),
        ):
            shape([(0, -0.4), (x, y), (x * 0.4, y * 0.75 + 0.12)], third)


def _graphic(
    ground: Colour, figure: Colour, rng: np.random.Generator, scale: float, placed: bool
) -> np.ndarray:
    twice = Image.new("RGB", (2 * TILE, 2 * TILE), ground)
    pen = ImageDraw.Draw(twice)
    choices = [
        c
        for c in (figure, *_ACCENTS)
        if sum(abs(a - b) for a, b in zip(c, ground, strict=True)) > 150
    ]

    def palette() -> list[Colour]:
        return [choices[i] for i in rng.permutation(len(choices))[:3]]

    if placed:
        if rng.random() < 0.3:
            pen.rectangle(
                (TILE - 84, TILE - 84, TILE + 84, TILE + 84), fill=palette()[0]
            )
        size = 2 * scale * rng.uniform(29, 37)
        _emblem(pen, int(rng.integers(8)), (TILE, TILE), size, palette())
    else:
        step = 2 * scale * rng.uniform(30, 44)
        kinds = rng.integers(8, size=3)
        colours = [palette() for _ in range(3)]
        for row in range(int(2 * TILE / step) + 2):
            for column in range(int(2 * TILE / step) + 2):
                which = rng.integers(3)
                place = ((column + 0.5 * (row % 2)) * step, row * step)
                _emblem(pen, int(kinds[which]), place, step * 0.4, colours[which])
    return _from_image(twice.reduce(2))


_RENDERERS: dict[str, Callable[..., np.ndarray]] = {
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
