"""Outfits of the figures of street_fashion, with labels and captions."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kmlic.datasets.street_fashion.canvas import PALETTE
from kmlic.datasets.street_fashion.textures import PATTERNS

__all__ = ["COLOURS", "GARMENTS", "PATTERNS", "Garment", "Outfit", "dress_figure"]

_Weights = dict[str, float]


def _read_table(text: str) -> dict[str, _Weights]:
    """Reads rows of `name: choice weight, choice weight, ...`."""
    table = {}
    for row in text.replace(",\n", ",").strip().splitlines():
        name, weights = row.split(":")
        table[name.strip()] = _read_weights(weights)
    return table


def _read_weights(text: str) -> _Weights:
    pairs = [choice.rsplit(maxsplit=1) for choice in text.split(",")]
    return {choice.strip(): float(weight) for choice, weight in pairs}


COLOURS = tuple(PALETTE)
ACCESSORIES = ("hat", "bag")
LOWER_GARMENTS = ("skirt", "jeans", "trousers", "shorts")

# Three patterns in more than 5 % of the images, as in Fig. 4 of Shen, Zhao and Luo.
_MAIN_PATTERN = _read_weights("""
    solid 0.41, stripe 0.165, animal 0.11, floral 0.038, plaid 0.040, dot 0.040,
    check 0.035, words letters 0.031, graphic 0.041, tie dye 0.041, paisley 0.038
""")
_WORN_AS = _read_table("""
    solid: dress 14, shirt 12, blouse 10, tee 12, sweater 16, jacket 22, coat 14
    stripe: tee 34, shirt 30, dress 14, sweater 12, blouse 10
    animal: coat 38, dress 24, blouse 20, skirt 18
    floral: dress 76, blouse 16, skirt 8
    plaid: shirt 62, coat 20, skirt 18
    dot: dress 40, blouse 52, skirt 8
    check: skirt 42, shirt 28, dress 22, trousers 8
    words letters: tee 74, sweater 26
    graphic: tee 68, sweater 32
    tie dye: tee 72, dress 24, shorts 4
    paisley: blouse 46, dress 34, shirt 20
""")
_UPPER_FOR = _read_table("""
    skirt: blouse 40, sweater 30, tee 20, jacket 10
    trousers: blouse 40, shirt 35, sweater 25
    shorts: tee 70, shirt 30
""")
_LOWER_FOR = _read_table("""
    tee: jeans 46, shorts 32, skirt 14, trousers 8
    shirt: jeans 56, trousers 26, skirt 10, shorts 8
    blouse: skirt 50, trousers 36, jeans 14
    sweater: jeans 46, skirt 24, trousers 30
    jacket: jeans 58, trousers 17, skirt 12, dress 13
    coat: none 40, jeans 36, trousers 24
    dress: none 100
""")
# The pattern of the lower garment if another garment has the main pattern.
_LOWER_PATTERN = _read_table("""
    skirt: solid 78, check 3.2, plaid 2.8, dot 2.6, floral 2.6, stripe 5, animal 4,
        paisley 1.8
    trousers: solid 88, stripe 8, check 3, plaid 1
    shorts: solid 92, tie dye 4, stripe 2, floral 2
    jeans: solid 100
    dress: solid 45, floral 20, stripe 15, dot 12, animal 8
""")
# A second pattern on the same garment: plain blocks, or a print over the dye.
_MIXED_WITH = _read_table("""
    dress + floral: none 70, solid 30
    dress + dot: none 75, solid 25
    dress + paisley: none 75, solid 25
    dress + stripe: none 76, solid 14, floral 10
    dress + tie dye: none 80, solid 20
    tee + tie dye: none 62, words letters 28, graphic 10
    tee + stripe: none 86, words letters 7, graphic 7
    sweater + stripe: none 75, solid 25
""")
_FABRIC = _read_table("""
    dress: cotton 46, chiffon 30, denim 8, knit 10, leather 6
    shirt: cotton 70, denim 30
    blouse: chiffon 82, cotton 18
    tee: cotton 100
    sweater: knit 90, cotton 10
    jacket: leather 46, denim 32, faux 14, cotton 8
    coat: faux 40, cotton 34, leather 16, knit 10
    skirt: cotton 60, chiffon 20, leather 20
    jeans: denim 100
    trousers: cotton 100
    shorts: denim 45, cotton 55
""")
GARMENTS = (*_FABRIC, *ACCESSORIES)
_PLAIN_FABRICS = ("leather", "denim")  # they carry no printed pattern
_SLEEVE = _read_table("""
    dress: sleeveless 45, short_sleeve 33, long_sleeve 22
    shirt: long_sleeve 68, short_sleeve 32
    blouse: long_sleeve 44, short_sleeve 28, sleeveless 28
    tee: short_sleeve 80, sleeveless 20
    sweater: long_sleeve 100
    jacket: long_sleeve 100
    coat: long_sleeve 100
""")
_NECKLINE = _read_table("""
    dress: crew_neckline 26, v_neckline 34, square_neckline 40
    shirt: v_neckline 60, no_neckline 40
    blouse: v_neckline 36, square_neckline 34, crew_neckline 30
    tee: crew_neckline 66, v_neckline 34
    sweater: crew_neckline 48, v_neckline 22, no_neckline 30
    jacket: no_neckline 54, v_neckline 46
    coat: no_neckline 46, v_neckline 54
""")
_FIT = _read_table("""
    dress: tight 40, loose 26, conventional 34
    shirt: tight 20, loose 30, conventional 50
    blouse: tight 12, loose 50, conventional 38
    tee: tight 30, loose 30, conventional 40
    sweater: tight 24, loose 44, conventional 32
    jacket: tight 30, loose 20, conventional 50
    coat: tight 12, loose 48, conventional 40
""")
_PLAIN_FINISH = _read_table("""
    dress: solid 60, pleated 22, embroidered 18
    blouse: solid 68, pleated 14, embroidered 18
    tee: solid 90, embroidered 10
    sweater: solid 90, embroidered 10
""")
_TEXTURE_OF = {
    "solid": "solid",
    "floral": "floral",
    "stripe": "striped",
    "plaid": "lattice",
    "check": "lattice",
}
# Colours go with garments, cloth and patterns: jeans are blue, leather is black.
_PLAIN_COLOURS = _read_table("""
    dress: red 24, black 20, green 12, purple 16, pink 16, blue 12
    shirt: white 44, blue 26, pink 12, grey 8, green 10
    blouse: white 30, pink 30, purple 22, yellow 8, red 10
    tee: white 36, grey 22, black 18, yellow 8, green 8, red 8
    sweater: grey 24, green 18, red 18, yellow 16, brown 14, pink 10
    jacket: black 40, green 30, grey 15, brown 15
    coat: brown 40, grey 28, black 20, red 6, pink 6
    skirt: black 50, red 12, grey 12, brown 14, white 12
    jeans: blue 80, black 14, grey 6
    trousers: black 52, grey 22, brown 18, white 8
    shorts: white 25, brown 35, black 25, green 15
    hat: brown 55, black 30, red 15
    bag: brown 50, black 35, red 15
""")
_FABRIC_COLOURS = _read_table("""
    leather: black 78, brown 18, red 4
    denim: blue 86, black 14
    faux: brown 34, grey 24, white 24, pink 18
""")
_PRINT_COLOURS = _read_table("""
    floral: yellow+red 26, yellow+white 22, white+pink 14, pink+white 12,
        blue+yellow 12, black+red 14
    stripe: white+blue 40, white+black 22, white+red 18, blue+yellow 6, grey+pink 7,
        green+white 7
    plaid: red+black 48, green+blue 28, brown+white 14, blue+grey 10
    check: white+black 36, white+red 26, white+blue 22, white+green 16
    animal: brown+black 66, white+black 34
    dot: black+white 32, red+white 24, blue+white 20, white+black 16, pink+white 8
    tie dye: purple+pink 40, blue+white 24, pink+yellow 20, green+yellow 16
    paisley: purple+yellow 36, red+yellow 28, blue+white 22, green+pink 14
    words letters: white 40, black 34, grey 26
    graphic: black 40, white 34, grey 14, red 12
""")


@dataclass(frozen=True)
class Garment:
    """Describes one garment of a figure, with all that its drawing shows.

    Args:
        kind: one of `GARMENTS`.
        patterns: one or two of `PATTERNS`; the second is a block or print on the first.
        colours: names of `COLOURS`, the ground first.
        fabric, sleeve, neckline, fit, length: a name of the attribute group each.
        finish: "plain", "pleated" or "embroidered".
    """

    kind: str
    patterns: tuple[str, ...]
    colours: tuple[str, ...]
    fabric: str
    finish: str = "plain"
    sleeve: str = "sleeveless"
    neckline: str = "no_neckline"
    fit: str = "conventional"
    length: str = "no_dress"


@dataclass(frozen=True)
class Outfit:
    """Holds what one figure wears, and the labels of its image.

    Garments and colours include those of hats and bags; patterns do not.

    Args:
        garments: from the lowest layer to the highest, accessories last.
        attributes: one name of every group of `ATTRIBUTE_GROUPS`, of the upper garment
            or the dress; the length is that of any dress.
        caption: a phrase that names all garments, colours and patterns.

    Example:
        >>> outfit = dress_figure(seed=0, index=2)
        >>> outfit.patterns
        ('solid',)
        >>> outfit.caption
        'lady with a black plain solid leather jacket with grey solid jeans outdoors'
    """

    garments: tuple[Garment, ...]
    attributes: Mapping[str, str]
    caption: str

    @property
    def patterns(self) -> tuple[str, ...]:
        """Returns the patterns worn, in the order of `PATTERNS`."""
        clothes = [each for each in self.garments if each.kind not in ACCESSORIES]
        worn = {pattern for garment in clothes for pattern in garment.patterns}
        return tuple(name for name in PATTERNS if name in worn)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Returns the kinds of garment worn, in the order of `GARMENTS`."""
        worn = {garment.kind for garment in self.garments}
        return tuple(name for name in GARMENTS if name in worn)

    @property
    def colours(self) -> tuple[str, ...]:
        """Returns the colours worn, in the order of `COLOURS`."""
        worn = {colour for garment in self.garments for colour in garment.colours}
        return tuple(name for name in COLOURS if name in worn)


def dress_figure(seed: int, index: int) -> Outfit:
    """Chooses what the figure of an image wears, from seed and index alone.

    Args:
        seed: of the dataset, any integer.
        index: of the image, 0 or above.

    Example:
        >>> dress_figure(0, 7) == dress_figure(0, 7)
        True
    """
    # A string seed is hashed with SHA-512: the same on every machine.
    rng = random.Random(f"street_fashion {seed} {index}")
    start = random.Random(f"street_fashion {seed}").random()
    # Multiples of the golden ratio spread evenly over [0, 1): in any range of indices
    # the shares of the main patterns are nearly exact.
    position = (start + index * (math.sqrt(5) - 1) / 2) % 1
    main_pattern = _at(position, _MAIN_PATTERN)
    garments = _choose_garments(main_pattern, rng)
    attributes = _attributes_of(garments)
    return Outfit(garments, attributes, _describe(garments, rng))


def _at(position: float, weights: _Weights) -> str:
    """Finds the name whose part of the unit interval contains a position."""
    remaining = position * sum(weights.values())
    for name, weight in weights.items():
        remaining -= weight
        if remaining < 0:
            return name
    return name


def _choose(weights: _Weights, rng: random.Random) -> str:
    return _at(rng.random(), weights)


def _choose_garments(main_pattern: str, rng: random.Random) -> tuple[Garment, ...]:
    worn_as = _choose(_WORN_AS[main_pattern], rng)
    if worn_as in LOWER_GARMENTS:
        upper = _choose(_UPPER_FOR[worn_as], rng)
        kinds = {worn_as: main_pattern, upper: "solid"}
    else:
        lower = _choose(_LOWER_FOR[worn_as], rng)
        kinds = {worn_as: main_pattern}
        if lower != "none":
            # Too little of it is visible below a coat for a pattern.
            plain = worn_as == "coat"
            pattern = "solid" if plain else _choose(_LOWER_PATTERN[lower], rng)
            kinds = {lower: pattern, **kinds}
    garments = [_make_garment(kind, pattern, rng) for kind, pattern in kinds.items()]
    topmost = garments[-1].kind
    summery = "floral" in kinds.values() or topmost == "tee"
    if rng.random() < (0.3 if summery else 0.14):
        garments.append(_make_accessory("hat", rng))
    if rng.random() < (0.42 if topmost in ("coat", "dress") else 0.14):
        garments.append(_make_accessory("bag", rng))
    return tuple(garments)


def _make_garment(kind: str, pattern: str, rng: random.Random) -> Garment:
    fabrics = dict(_FABRIC[kind])
    if pattern != "solid":
        fabrics = {k: v for k, v in fabrics.items() if k not in _PLAIN_FABRICS}
        if pattern != "animal":
            fabrics.pop("faux", None)
    fabric = _choose(fabrics or {"cotton": 1.0}, rng)
    second = _choose(_MIXED_WITH.get(f"{kind} + {pattern}", {"none": 1.0}), rng)
    plain = _FABRIC_COLOURS.get(fabric, _PLAIN_COLOURS[kind])
    colours = _choose(_PRINT_COLOURS.get(pattern, plain), rng)
    if kind == "jeans":
        colours = _choose(_PLAIN_COLOURS[kind], rng)
    finish = "plain"
    if pattern == "solid" and fabric in ("cotton", "chiffon", "knit"):
        finish = _choose(_PLAIN_FINISH.get(kind, {"solid": 1.0}), rng)
        finish = "plain" if finish == "solid" else finish
    elif kind == "skirt" and fabric == "chiffon":
        finish = "pleated"
    patterns = (pattern,) if second == "none" else (pattern, second)
    garment = Garment(kind, patterns, tuple(colours.split("+")), fabric, finish)
    if kind in LOWER_GARMENTS:
        return garment
    sleeve = _choose(_SLEEVE[kind], rng)
    neckline = _choose(_NECKLINE[kind], rng)
    length = "no_dress"
    if kind == "dress":
        length = "mini_length" if rng.random() < 0.55 else "maxi_length"
        if sleeve == "sleeveless" and rng.random() < 0.3:
            neckline = "no_neckline"  # strapless
    fit = _choose(_FIT[kind], rng)
    return replace(garment, sleeve=sleeve, neckline=neckline, fit=fit, length=length)


def _make_accessory(kind: str, rng: random.Random) -> Garment:
    colour = _choose(_PLAIN_COLOURS[kind], rng)
    fabric = "leather" if kind == "bag" else "cotton"
    return Garment(kind, ("solid",), (colour,), fabric)


def _attributes_of(garments: tuple[Garment, ...]) -> dict[str, str]:
    clothes = [garment for garment in garments if garment.kind not in ACCESSORIES]
    upper = clothes[-1]
    lengths = [g.length for g in clothes if g.kind == "dress"]
    texture = upper.finish
    if upper.finish == "plain":
        texture = _TEXTURE_OF.get(upper.patterns[0], "graphic")
    return {
        "texture": texture,
        "sleeve": upper.sleeve,
        "length": lengths[0] if lengths else "no_dress",
        "neckline": upper.neckline,
        "fabric": upper.fabric,
        "fit": upper.fit,
    }


_ADJECTIVES = {
    "floral": ("floral", "flowery floral", "summer floral"),
    "stripe": ("stripe", "striped stripe"),
    "solid": ("solid", "plain solid"),
    "words letters": ("words letters", "slogan words letters"),
    "animal": ("animal", "wild animal"),
}
_PRINTS = {
    "floral": ("with a floral print", "with floral flowers"),
    "words letters": ("with words letters on it", "printed with words letters"),
    "graphic": ("with a graphic print", "with a graphic picture"),
    "stripe": ("with a stripe", "in a sailor stripe"),
    "tie dye": ("in tie dye", "with a tie dye swirl"),
    "dot": ("with a dot print", "with a polka dot"),
    "animal": ("in animal print", "with an animal print"),
    "solid": ("in solid cloth", "all solid"),
}
_OPENINGS = (
    *("woman in", "woman wearing", "girl in", "street style :", "she wears"),
    *("look of the day :", "outfit with", "", "photo of", "lady with"),
)
_LAST_JOINS = ("and", "with", "worn with", ", also")
_ENDINGS = ("", "", "", "on the street", "in the city", "street fashion", "outdoors")
_FIT_WORDS = {"tight": "tight", "loose": "loose", "conventional": ""}
_LENGTH_WORDS = {"maxi_length": "maxi", "mini_length": "mini", "no_dress": ""}
_PLURALS = ("jeans", "trousers", "shorts")


def _describe(garments: tuple[Garment, ...], rng: random.Random) -> str:
    phrases = [_phrase(garment, rng) for garment in garments]
    if rng.random() < 0.5:
        phrases.reverse()
    text = phrases[0]
    for phrase in phrases[1:]:
        text += f" {rng.choice(_LAST_JOINS)} {phrase}"
    return " ".join(f"{rng.choice(_OPENINGS)} {text} {rng.choice(_ENDINGS)}".split())


def _phrase(garment: Garment, rng: random.Random) -> str:
    """Describes one garment; each of its labels appears as it is spelled."""
    before: list[str] = []
    after: list[str] = []
    plain = garment.kind in (*ACCESSORIES, "jeans")
    for pattern in () if plain else garment.patterns:
        if rng.random() < 0.5:
            before.append(rng.choice(_ADJECTIVES.get(pattern, (pattern,))))
        else:
            after.append(rng.choice(_PRINTS.get(pattern, (f"in {pattern}",))))
    if garment.kind == "jeans" and "solid" in garment.patterns:
        before.append("solid")
    colours = " and ".join(garment.colours)
    if rng.random() < 0.65:
        before.insert(0, colours)
    else:
        after.append(f"in {colours}")
    words = [_LENGTH_WORDS[garment.length], *before]
    if garment.fabric != "cotton" and rng.random() < 0.6:
        words.append("faux fur" if garment.fabric == "faux" else garment.fabric)
    if rng.random() < 0.4:
        words.insert(0, _FIT_WORDS[garment.fit])
    if garment.finish != "plain" and rng.random() < 0.6:
        words.insert(0, garment.finish)
    words = [word for word in (*words, garment.kind, *after) if word]
    article = "" if garment.kind in _PLURALS else _article(words[0])
    return " ".join([article, *words]).strip()


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
