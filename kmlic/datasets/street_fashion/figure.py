"""Figures of street_fashion: pose, body, and clothes that follow the body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmlic.datasets.street_fashion.canvas import (
    PALETTE,
    SIDE,
    Mask,
    Scene,
    cover_shapes,
    dull_tone,
    ellipse,
    illuminate,
    limb,
    round_corners,
    sample_tile,
    tone,
)
from kmlic.datasets.street_fashion.textures import (
    TILE,
    Colour,
    read_colours,
    render_texture,
    smooth_noise,
)

_SKINS = read_colours("f4d0b6 e8ba96 d4a07a b27c58 86583c 5c3c2c")
_HAIRS = read_colours("201a1a 3e2a20 684428 a45c2c d6b26c 969294")
# Points of the body are (x from its axis, y from the top of the head), in units of the
# figure's height; y grows downwards.
_CHEST_Y, _CROTCH_Y, _KNEE_Y, _ANKLE_Y = 0.29, 0.545, 0.745, 0.95
_TRUNK = (
    *((0.036, 0.12), (0.04, 0.165), (0.098, 0.186), (0.097, 0.27)),
    *((0.076, 0.40), (0.106, 0.5), (0.1, 0.55)),
)
_HEM_Y = {
    "shirt": 0.525,
    "blouse": 0.515,
    "tee": 0.51,
    "sweater": 0.525,
    "jacket": 0.50,
    "coat": 0.73,
}
_NECK_HOLES = {
    "v_neckline": ((-0.058, 0.14), (0.058, 0.14), (0.0, 0.275)),
    "square_neckline": ((-0.064, 0.14), (0.064, 0.14), (0.06, 0.228), (-0.06, 0.228)),
}
_EASE = {"tight": 0.0, "conventional": 0.010, "loose": 0.032}
_BULK = {"coat": 0.009, "jacket": 0.006, "sweater": 0.005}
_FOLD_DEPTH = {"chiffon": 0.34, "leather": 0.2, "knit": 0.1, "faux": 0.08}
# Angles of upper arm and forearm from straight down, in degrees outwards.
_ARM_POSES = (
    (0.46, (8, 20), (0, 18)),  # hanging
    (0.22, (36, 50), (-52, -40)),  # hand on the hip
    (0.18, (16, 26), (-22, -8)),  # hand in the pocket
    (0.06, (10, 18), (-80, -60)),  # in front of the body
    (0.08, (95, 130), (150, 175)),  # waving
)
_TROUSER_CUTS = (  # half the width at thigh, knee and cuff
    (0.40, (0.062, 0.042, 0.028)),
    (0.40, (0.068, 0.054, 0.046)),
    (0.20, (0.062, 0.046, 0.064)),
)

Point = tuple[float, float]


def draw_figure(
    scene: Scene, garments: Sequence[Mapping[str, Any]], horizon: float
) -> None:
    """Draws a figure and records which garment is visible in each pixel.

    Args:
        scene: with a street.
        garments: the fields of each `Garment`, from the lowest layer to the highest.
        horizon: the y where the ground begins.
    """
    _Figure(scene, garments, horizon).draw()


@dataclass(frozen=True)
class _Cloth:
    """Holds the cloth of a garment."""

    tile: np.ndarray  # (256, 256, 4)
    fabric: str
    owner: int  # the garment's number in `Scene.owner`
    shift: Point  # the point of the tile on the chest


class _Figure:
    """Poses and dresses a figure, and paints it from back to front."""

    def __init__(
        self, scene: Scene, garments: Sequence[Mapping[str, Any]], horizon: float
    ) -> None:
        rng = scene.rng
        self.scene, self.rng, self.garments = scene, rng, garments
        self.worn = {garment["kind"]: garment for garment in garments}
        self.cloths = {
            garment["kind"]: self._cut_cloth(garment, number + 1)
            for number, garment in enumerate(garments)
        }
        self.height = SIDE * float(rng.uniform(1.0, 1.55))
        if self.height < 0.96 * SIDE:
            lowest = max(self.height + 2, horizon + 12, 0.93 * SIDE)
            foot = float(rng.uniform(lowest, max(lowest, 0.985 * SIDE)))
            self.top = foot - self.height
        else:
            self.top = float(rng.uniform(0.0, 0.06)) * SIDE
        self.middle = SIDE * float(np.clip(rng.normal(0.5, 0.08), 0.34, 0.66))
        self.lean = float(rng.normal(0, 0.04))
        self.sway = float(rng.normal(0, 0.014))
        self.build = float(rng.uniform(1.0, 1.18))
        self.zoom = self.height / SIDE
        self.skin = tone(*_SKINS[rng.integers(len(_SKINS))])
        self.skin *= np.float32(rng.uniform(0.93, 1.06))
        self.hair = tone(*_HAIRS[rng.integers(len(_HAIRS))])
        self.hair_style = rng.choice(
            ["long", "short", "bun", "curly"], p=[0.4, 0.2, 0.2, 0.2]
        )
        self.arms = [self._pose_arm(side) for side in (-1, 1)]
        self.legs = [self._pose_leg(side) for side in (-1, 1)]

    def draw(self) -> None:
        """Paints shadow, body, clothes and accessories."""
        clothes = [g for g in self.garments if g["kind"] not in ("hat", "bag")]
        upper = clothes[-1]
        self._draw_shadow()
        self._draw_back_hair()
        self._draw_legs()
        self._draw_trunk()
        draw = {"skirt": self._draw_skirt, "dress": self._draw_dress}
        draw |= dict.fromkeys(("jeans", "trousers", "shorts"), self._draw_trousers)
        for garment in clothes:
            draw.get(garment["kind"], self._draw_upper)(garment)
        if "bag" in self.worn:
            self._draw_bag()
        for arm in self.arms:
            self._draw_arm(arm, upper)
        self._draw_head()
        if "hat" in self.worn:
            self._draw_hat()

    # Positions.

    def _at(self, points: Sequence[Point] | np.ndarray) -> np.ndarray:
        """Converts points of the body to the canvas: lean, sway, build, position."""
        x, y = np.asarray(points, float).T
        sway = self.sway * np.exp(-(((y - 0.52) / 0.16) ** 2))
        across = x * self.build + self.lean * (0.95 - y) + sway
        x = self.middle + self.height * across
        return np.stack([x, self.top + self.height * y], 1)

    def _shape(self, points: Sequence[Point] | np.ndarray) -> np.ndarray:
        """Computes the outline of a shape with slightly rounded corners."""
        return round_corners(self._at(points), 1)

    def _oval(
        self, centre: np.ndarray, offset: Point, radii: Point, sides: int = 24
    ) -> np.ndarray:
        """Computes the outline of an ellipse, in units of the figure's height."""
        centre = centre + np.array(offset) * self.height
        return ellipse(centre, *self._scaled(radii), sides)

    def _scaled(self, radii: Point) -> Point:
        return radii[0] * self.height, radii[1] * self.height

    def _centre(self, x: float, y: float) -> np.ndarray:
        return self._at([(x, y)])[0]

    def _pose_arm(self, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pose = self.rng.choice(len(_ARM_POSES), p=[share for share, *_ in _ARM_POSES])
        _, upper, lower = _ARM_POSES[pose]
        turns = np.radians([self.rng.uniform(*upper), self.rng.uniform(*lower)])
        steps = np.stack([side * np.sin(turns), np.cos(turns)], 1)
        steps *= self.height * np.array([[0.158], [0.149]])
        shoulder = self._centre(side * 0.091, 0.204)
        return shoulder, shoulder + steps[0], shoulder + steps[0] + steps[1]

    def _pose_leg(self, side: int) -> tuple[Point, Point, Point]:
        apart, bend = self.rng.uniform(0.03, 0.085), self.rng.normal(0, 0.012)
        lift = self.rng.uniform(0, 0.03) if self.rng.random() < 0.3 else 0.0
        return (
            (side * 0.056, 0.52),
            (side * (0.056 + float(apart)) / 2 + float(bend), _KNEE_Y),
            (side * float(apart), _ANKLE_Y - float(lift)),
        )

    # Cloth and skin.

    def _cut_cloth(self, garment: Mapping[str, Any], owner: int) -> _Cloth:
        rng = self.rng
        colours = [self._dye(PALETTE[name]) for name in garment["colours"]]
        if garment["fabric"] == "denim" and garment["colours"][0] == "blue":
            shade = float(rng.uniform(0.75, 1.2))
            colours = [self._dye((round(74 * shade), round(104 * shade), 158))]
        first, *second = garment["patterns"]
        placed = first in ("graphic", "words letters") and rng.random() < 0.8
        scale = float(rng.uniform(0.95, 1.3))
        tile = render_texture(first, colours, rng, scale=scale, placed=placed)
        if second:
            tile = self._mix_patterns(tile, second[0], colours)
        shift = (TILE / 2, TILE / 2)
        if not (placed or second):
            shift = (float(rng.uniform(60, 120)), float(rng.uniform(80, 170)))
        return _Cloth(tile, garment["fabric"], owner, shift)

    def _mix_patterns(
        self, tile: np.ndarray, second: str, colours: Sequence[Colour]
    ) -> np.ndarray:
        """Prints a panel on the chest, or uses another cloth for one half."""
        rng = self.rng
        tile = tile.copy()
        if second in ("words letters", "graphic"):
            ground = PALETTE["white" if rng.random() < 0.6 else "black"]
            print_ = render_texture(second, [ground], rng, scale=0.6, placed=True)
            middle = slice(TILE // 2 - 21, TILE // 2 + 21)
            tile[middle, middle] = print_[middle, middle]
            return tile
        other = render_texture(second, [colours[-1], colours[0]], rng)
        waist = int(rng.integers(150, 178))
        if rng.random() < 0.6:
            tile[waist:] = other[waist:]
        else:
            tile[: waist - 40] = other[: waist - 40]
        return tile

    def _dye(self, colour: Colour) -> Colour:
        dyed = np.array(colour) * self.rng.uniform(0.86, 1.1)
        dyed += self.rng.normal(0, 7, 3)
        red, green, blue = np.clip(np.rint(dyed), 0, 255).astype(int).tolist()
        return red, green, blue

    def _paint(
        self,
        mask: Mask,
        cloth: _Cloth,
        turn: np.ndarray,
        across: np.ndarray,
        along: np.ndarray,
        pleats: float = 0.0,
    ) -> None:
        """Paints cloth over a mask: pattern, folds, texture of the fabric, light.

        `turn` is -1 to 1 across the part of the body; `across` and `along` are the
        coordinates of the cloth in pixels of the canvas.
        """
        scene, rng = self.scene, self.rng
        shape = mask.cover.shape
        cells = (3 + shape[0] // 60, 4 + shape[1] // 16)
        folds = smooth_noise(rng, cells, shape) - np.float32(0.5)
        depth = np.float32(1.4 * _FOLD_DEPTH.get(cloth.fabric, 0.18))
        across = across + 5 * folds
        shade = scene.lit(turn) * (1 + depth * folds)
        if pleats:
            shade = shade * (1 + 0.22 * np.sin(turn * np.float32(pleats)))
            across = across + 2.5 * np.cos(turn * np.float32(pleats))
        colour = sample_tile(
            cloth.tile,
            along * np.float32(1 / self.zoom) + np.float32(cloth.shift[1] + 2 * TILE),
            across * np.float32(1 / self.zoom) + np.float32(cloth.shift[0] + 2 * TILE),
        )
        if cloth.fabric == "denim":
            twill = np.where((across + along) % 5 < 2.2, np.float32(0.07), -0.05)
            worn = np.clip(1 - np.abs(turn) * 1.6, 0, 1) * np.float32(0.16)
            grit = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.05)
            shade = shade * (1 + twill + worn + grit)
        elif cloth.fabric == "knit":
            rib = np.abs(across % 8 - 4) * np.float32(0.25)
            stitch = np.abs((along + 3 * rib) % 5 - 2.5) * np.float32(0.4)
            shade = shade * (0.9 + 0.13 * rib + 0.06 * stitch)
        elif cloth.fabric == "faux":
            strands = (shape[0] // 4 + 2, shape[1] // 3 + 2)
            shade = shade * (0.68 + 0.62 * smooth_noise(rng, strands, shape))
        lit = illuminate(colour, shade)
        if cloth.fabric == "leather":
            crease = smooth_noise(rng, (3 + shape[0] // 24, 3), shape)
            side = np.float32(0.5 * np.sign(scene.light))
            gloss = np.exp(-(((turn - side) / np.float32(0.2)) ** 2))
            lit += (75 * gloss * np.clip(crease * 1.5 - 0.3, 0, 1))[..., None]
        opacity = 0.94 if cloth.fabric == "chiffon" else 1.0
        scene.fill(mask, lit, opacity, cloth.owner)

    def _paint_rows(
        self, mask: Mask | None, cloth: _Cloth, pleats: float = 0.0
    ) -> None:
        """Paints cloth around an upright part: trunk, skirt, a trouser leg."""
        if mask is None:
            return
        solid = mask.cover > 0.3
        rows = np.flatnonzero(solid.any(1))
        if not len(rows):
            return
        every, width = np.arange(len(solid)), solid.shape[1]
        left = np.interp(every, rows, solid.argmax(1)[rows])
        right = np.interp(every, rows, width - 1 - solid[:, ::-1].argmax(1)[rows])
        half = np.maximum((right - left) / 2, 1).astype(np.float32)[:, None]
        centre = (mask.left + (left + right) / 2).astype(np.float32)[:, None]
        y, x = mask.grid()
        turn = np.clip((x - centre) / half, -1, 1)
        heights = (y[:, 0] - self.top) / self.height
        axis = self._at(np.stack([np.zeros_like(heights), heights], 1))[:, :1]
        exact = turn.astype(float)
        cube = (exact * exact * exact).astype(np.float32)  # `**` is 100 times slower
        across = x - axis.astype(np.float32) + np.float32(0.14) * half * cube
        along = y - np.float32(self.top + _CHEST_Y * self.height)
        self._paint(mask, cloth, turn, across, along, pleats)

    def _paint_limb(
        self,
        cloth: _Cloth,
        ends: tuple[np.ndarray, np.ndarray],
        radii: Point,
        start: float,
    ) -> None:
        """Paints cloth around a limb, its threads along the limb."""
        radii = self._scaled(radii)
        outline = limb(*ends, *radii)
        if cloth.fabric == "faux":
            outline = self._fray(outline)
        mask = cover_shapes([outline])
        if mask is not None:
            along, across, length, sign = _limb_coordinates(mask, *ends)
            narrowing = (radii[1] - radii[0]) * np.clip(along / length, 0, 1)
            turn = sign * across / (np.float32(radii[0]) + narrowing)
            self._paint(mask, cloth, turn, across + 70, along + np.float32(start))

    def _fray(self, outline: np.ndarray) -> np.ndarray:
        """Roughens an outline, for the edge of fur."""
        way = np.roll(outline, -1, 0) - outline
        dense = outline[:, None] + way[:, None] * np.linspace(0, 1, 5)[:-1, None]
        return dense.reshape(-1, 2) + self.rng.normal(0, 2.3, (4 * len(outline), 2))

    def _fill_round(
        self, mask: Mask | None, turn: np.ndarray, colour: np.ndarray
    ) -> None:
        """Paints a bare part of the body, which hides the garments behind it."""
        if mask is not None:
            shade = self.scene.lit(turn, 0.85) * np.float32(1.06)
            self.scene.fill(mask, illuminate(colour, shade), owner=0)

    def _fill_upright(self, mask: Mask | None, x: float, half: float) -> None:
        """Paints skin around an upright axis at x."""
        if mask is not None:
            turn = (mask.grid()[1] - np.float32(x)) / np.float32(half)
            self._fill_round(mask, turn, self.skin)

    def _fill_limb(
        self, a: np.ndarray, b: np.ndarray, radii: Point, colour: np.ndarray
    ) -> None:
        radii = self._scaled(radii)
        mask = cover_shapes([limb(a, b, *radii)])
        if mask is not None:
            _, across, _, sign = _limb_coordinates(mask, a, b)
            self._fill_round(mask, sign * across / np.float32(max(radii)), colour)

    # The body.

    def _draw_shadow(self) -> None:
        size = self.height
        foot = self._at([leg[2] for leg in self.legs]).mean(0)
        foot = foot + np.array([0, 0.02 * size])
        if foot[1] > SIDE + 4:
            return
        pool = cover_shapes([self._oval(foot, (0, 0), (0.15, 0.022))])
        self.scene.darken(pool, 0.5, 4, 0, 0)
        reach = np.array([-0.5 * np.sign(self.scene.light), -0.12]) * size
        thrown = cover_shapes([limb(foot, foot + reach, 0.05 * size, 0.035 * size)])
        self.scene.darken(thrown, 0.38, 5, 0, 0)

    def _draw_legs(self) -> None:
        size = self.height
        skin: np.ndarray | None = self.skin
        if {"jeans", "trousers"} & self.worn.keys():
            skin = None  # completely hidden
        elif "coat" in self.worn or self.rng.random() < 0.15:
            skin = dull_tone(self.rng, 35, 60)  # tights
        shoe = dull_tone(self.rng, 25, 230)
        for leg in self.legs:
            hip, knee, ankle = self._at(leg)
            if skin is not None:
                self._fill_limb(hip, knee, (0.054, 0.035), skin)
                self._fill_limb(knee, ankle, (0.036, 0.021), skin)
            heel = ankle + np.array([0, 0.008 * size])
            aside = 0.012 if ankle[0] > hip[0] else -0.012
            toe = ankle + np.array([aside, 0.032]) * size
            self._fill_limb(heel, toe, (0.024, 0.026), shoe)

    def _draw_trunk(self) -> None:
        mask = cover_shapes([round_corners(self._at(_mirrored(_TRUNK)))])
        half = 0.14 * self.height * self.build
        self._fill_upright(mask, self._centre(0.0, 0.3)[0], half)
        neck = self._oval(self._centre(0.0, 0.148), (0, 0), (0.036, 0.022))
        self.scene.darken(cover_shapes([neck]), 0.35, 2, 0, 2)

    def _draw_back_hair(self) -> None:
        style, centre = self.hair_style, self._centre(0.0, 0.08)
        shapes = []
        if style == "long":
            end = float(self.rng.uniform(0.19, 0.26))
            strands = [(0.03, 0.01), (0.052, 0.05), (0.056, 0.15), (0.058, end)]
            shapes = [round_corners(self._at(_mirrored(strands)))]
        elif style == "curly":
            for angle in np.linspace(0, 2 * np.pi, 11)[:-1]:
                offset = (0.05 * np.cos(angle), 0.05 * np.sin(angle) - 0.006)
                curl = self.rng.uniform(0.026, 0.036)
                shapes.append(self._oval(centre, offset, (curl, curl), 12))
        elif style == "bun":
            shapes = [self._oval(centre, (0, -0.074), (0.028, 0.026))]
        if shapes:
            self._fill_hair(cover_shapes(shapes), centre)

    def _fill_hair(self, mask: Mask | None, centre: np.ndarray) -> None:
        if mask is None:
            return
        _, x = mask.grid()
        shape = mask.cover.shape
        strands = smooth_noise(self.rng, (3, max(2, shape[1] // 3)), shape)
        turn = (x - np.float32(centre[0])) / np.float32(0.08 * self.height)
        shade = self.scene.lit(turn) * (0.8 + 0.4 * strands)
        self.scene.fill(mask, illuminate(self.hair, shade), owner=0)

    def _draw_head(self) -> None:
        scene, centre = self.scene, self._centre(0.0, 0.08)
        chin = self._oval(centre, (0, 0.065), (0.04, 0.02))
        scene.darken(cover_shapes([chin]), 0.25, 3, 0, 1)
        face = cover_shapes([self._oval(centre, (0, 0), (0.045, 0.062), 32)])
        if face is None:
            return
        self._fill_upright(face, centre[0], 0.052 * self.height)
        glasses = self.rng.random() < 0.2
        radii = (0.017, 0.012) if glasses else (0.0062, 0.0046)
        eyes = (-0.018, 0.018)
        marks = [self._oval(centre, (x, -0.002), radii, 12) for x in eyes]
        scene.fill(cover_shapes(marks), tone(30, 24, 24))
        if not glasses:
            brows = [self._oval(centre, (x, -0.016), (0.01, 0.0022), 8) for x in eyes]
            scene.fill(cover_shapes(brows), self.hair * np.float32(0.7), 0.8)
        nose = self._oval(centre, (0, 0.014), (0.004, 0.008), 8)
        scene.tint(cover_shapes([nose]), 0.8, 0.7)
        mouth = cover_shapes([self._oval(centre, (0, 0.033), (0.013, 0.0048), 12)])
        scene.fill(mouth, self.skin * tone(0.82, 0.46, 0.46))
        self._draw_fringe(centre)

    def _draw_fringe(self, centre: np.ndarray) -> None:
        parting = float(self.rng.uniform(-0.025, 0.025))
        fringe = float(self.rng.uniform(0.036, 0.054))
        side = 0.10 if self.hair_style == "long" else 0.08
        outline = [
            *((-0.052, side), (-0.055, 0.04), (-0.03, 0.008), (0.0, 0.0)),
            *((0.03, 0.008), (0.055, 0.04), (0.052, side)),
            *((0.042, 0.06), (parting, fringe), (-0.042, 0.06)),
        ]
        # The width of a head does not depend on the build.
        hair = self._shape(np.array(outline) / [self.build, 1])
        self._fill_hair(cover_shapes([hair]), centre)

    def _draw_arm(
        self,
        arm: tuple[np.ndarray, np.ndarray, np.ndarray],
        upper: Mapping[str, Any],
    ) -> None:
        shoulder, elbow, wrist = arm
        size = self.height
        outlines = [
            limb(shoulder, elbow, 0.032 * size, 0.028 * size),
            limb(elbow, wrist, 0.028 * size, 0.02 * size),
        ]
        aside = -3 if self.scene.light > 0 else 3
        self.scene.darken(cover_shapes(outlines), 0.3, 3, aside, 2)
        if upper["sleeve"] != "long_sleeve":
            self._fill_limb(shoulder, elbow, (0.029, 0.024), self.skin)
            self._fill_limb(elbow, wrist, (0.025, 0.017), self.skin)
        hand = wrist + (wrist - elbow) * 0.16
        start = wrist - (wrist - elbow) * 0.1
        self._fill_limb(start, hand, (0.018, 0.018), self.skin)
        if upper["sleeve"] == "sleeveless":
            return
        cloth = self.cloths[upper["kind"]]
        bulk = _BULK.get(upper["kind"], 0.002) + 0.45 * _EASE[upper["fit"]]
        top, middle = 0.033 + bulk, 0.028 + bulk
        if upper["sleeve"] == "short_sleeve":
            end = shoulder + (elbow - shoulder) * 0.66
            self._paint_limb(cloth, (shoulder, end), (top, middle * 1.06), 0)
            return
        self._paint_limb(cloth, (shoulder, elbow), (top, middle), 0)
        end = elbow + (wrist - elbow) * 0.93
        cuff = 0.021 + 0.8 * bulk
        length = float(np.hypot(*(elbow - shoulder)))
        self._paint_limb(cloth, (elbow, end), (middle, cuff), length)
        band = limb(end - (end - elbow) * 0.06, end, cuff * size, cuff * size)
        self.scene.tint(cover_shapes([band]), 0.72, 0.7)

    # The clothes.

    def _draw_trousers(self, garment: Mapping[str, Any]) -> None:
        kind = garment["kind"]
        cloth = self.cloths[kind]
        cut = self.rng.choice(
            len(_TROUSER_CUTS), p=[share for share, _ in _TROUSER_CUTS]
        )
        thigh, knee, cuff = (w / self.build for w in _TROUSER_CUTS[cut][1])
        hem = float(self.rng.uniform(0.62, 0.68))
        for leg, side in zip(self.legs, (-1, 1), strict=True):
            (hx, hy), (kx, ky), (ax, ay) = leg
            if kind == "shorts":
                x = hx + (kx - hx) * (hem - hy) / (ky - hy)
                wide = side * (thigh + 0.006)
                lower = [(x + wide, hem), (x - wide, hem)]
            else:
                end = ay - 0.008
                lower = [
                    ((hx + kx) / 2 + side * thigh, 0.62),
                    *((kx + side * knee, ky), (ax + side * cuff, end)),
                    *((ax - side * cuff, end), (kx - side * knee, ky)),
                ]
            outline = [
                *((0.0, 0.405), (side * 0.082, 0.405), (side * 0.113, 0.5)),
                *lower,
                *((side * 0.004, _CROTCH_Y + 0.02), (0.0, _CROTCH_Y)),
            ]
            self._paint_rows(cover_shapes([self._shape(outline)]), cloth)
        self._seam((-0.09, 0.418), (0.09, 0.418), 0.009, 0.72)
        if garment["fabric"] == "denim":
            self._seam((0.0, 0.42), (0.004, 0.53), 0.004, 1.35)
            for side in (-1, 1):
                self._seam((side * 0.05, 0.425), (side * 0.095, 0.46), 0.004, 1.4)

    def _draw_skirt(self, garment: Mapping[str, Any]) -> None:
        rng = self.rng
        hem = float(rng.choice([0.63, 0.70, 0.80]) + rng.uniform(-0.015, 0.015))
        flare = float(rng.uniform(0.01, 0.1))
        right = [
            *((0.082, 0.40), (0.114, 0.49)),
            *((0.117 + flare * 0.6, 0.57), (0.12 + flare, hem)),
        ]
        mask = cover_shapes([self._shape(_mirrored(right))])
        self._paint_rows(mask, self.cloths["skirt"], self._pleats(garment))

    def _draw_dress(self, garment: Mapping[str, Any]) -> None:
        rng, fit = self.rng, garment["fit"]
        ease = _EASE[fit]
        short = garment["length"] == "mini_length"
        hem = float(rng.uniform(0.60, 0.66) if short else rng.uniform(0.86, 0.92))
        flare = {"tight": 0.0, "conventional": 0.05, "loose": 0.10}[fit]
        flare *= float(rng.uniform(0.7, 1.3)) * (0.8 if short else 1.1)
        slim = 0.02 if fit == "tight" else 0.0
        right = [
            *_upper_edge(garment),
            (0.098 + 0.5 * ease, 0.265),
            (0.078 + ease * (1.3 if fit == "loose" else 0.8), 0.40),
            (0.112 + 0.5 * ease, 0.50),
            (0.115 + ease + flare * 0.6, (0.5 + hem) / 2),
            (0.112 + ease + flare - slim, hem),
        ]
        outline = self._shape(_mirrored(right))
        mask = cover_shapes([outline], self._neck_holes(garment))
        self._paint_rows(mask, self.cloths["dress"], self._pleats(garment))
        if fit != "loose" and rng.random() < 0.6:
            self._seam((-0.081, 0.405), (0.081, 0.405), 0.012, 0.62)
        self._trim(garment, hem)

    def _draw_upper(self, garment: Mapping[str, Any]) -> None:
        kind, fit = garment["kind"], garment["fit"]
        ease = _EASE[fit] + {"coat": 0.012, "jacket": 0.007}.get(kind, 0.0)
        hem = _HEM_Y[kind] + float(self.rng.uniform(-0.015, 0.02))
        waist = 0.096 + ease if fit == "loose" else 0.082 + ease * 1.5
        right = [
            *_upper_edge(garment),
            (0.100 + 0.7 * ease, 0.268),
            (waist, 0.40),
            (0.113 + ease, min(0.5, hem - 0.01)),
            (0.123 + 1.4 * ease if kind == "coat" else 0.112 + ease, hem),
        ]
        outline = self._shape(_mirrored(right))
        if garment["fabric"] == "faux":
            outline = self._fray(outline)
        holes = self._neck_holes(garment)
        is_open = kind == "jacket" and "dress" in self.worn
        if is_open:
            gap = [(-0.034, 0.14), (0.034, 0.14), (0.056, 0.54), (-0.056, 0.54)]
            holes.append(self._at(gap))
        mask = cover_shapes([outline], holes)
        self.scene.darken(mask, 0.35, 3, 0, 4)
        self._paint_rows(mask, self.cloths[kind], self._pleats(garment))
        self._trim(garment, hem)
        if kind in ("shirt", "jacket", "coat"):
            if not is_open:
                self._draw_front(garment, hem)
            self._draw_collar(garment)
        elif kind == "sweater":
            wide = 0.11 + ease
            self._seam((-wide, hem - 0.012), (wide, hem - 0.012), 0.02, 0.8)
        if kind == "coat" and self.rng.random() < 0.4:
            self._seam((-waist, 0.41), (waist, 0.41), 0.022, 0.6)

    def _pleats(self, garment: Mapping[str, Any]) -> float:
        pleated = garment["finish"] == "pleated"
        return float(self.rng.uniform(14, 22)) if pleated else 0.0

    def _neck_holes(self, garment: Mapping[str, Any]) -> list[np.ndarray]:
        neckline = garment["neckline"]
        if neckline == "crew_neckline":
            centre, size = self._centre(0.0, 0.155), self.height
            return [ellipse(centre, 0.05 * size * self.build, 0.03 * size)]
        return [self._at(_NECK_HOLES[neckline])] if neckline in _NECK_HOLES else []

    def _draw_front(self, garment: Mapping[str, Any], hem: float) -> None:
        """Draws the front edge of a shirt, jacket or coat, and its buttons."""
        start = 0.27 if garment["neckline"] == "v_neckline" else 0.17
        self._seam((0.0, start), (0.0, hem), 0.005, 0.6)
        if garment["kind"] == "jacket" and garment["fabric"] != "denim":
            return  # a zip
        points = [(0.012, y) for y in np.arange(start + 0.03, hem - 0.02, 0.055)]
        radii = (0.0065, 0.0065)
        buttons = [self._oval(point, (0, 0), radii, 10) for point in self._at(points)]
        colour = tone(228, 226, 220) if self.rng.random() < 0.6 else tone(46, 40, 40)
        self.scene.fill(cover_shapes(buttons), colour, 0.85)

    def _draw_collar(self, garment: Mapping[str, Any]) -> None:
        for side in (-1, 1):
            shape = [
                *((side * 0.045, 0.148), (side * 0.06, 0.185)),
                *((side * 0.012, 0.205), (0.0, 0.172)),
            ]
            if garment["neckline"] == "v_neckline":
                shape = [
                    *((side * 0.04, 0.145), (side * 0.082, 0.20)),
                    *((side * 0.05, 0.235), (0.0, 0.278), (side * 0.045, 0.2)),
                ]
            outline = self._at(shape)
            edge = [outline - np.array([side * 1.5, 1.5])]
            self.scene.tint(cover_shapes([outline]), 0.55, 0.35)
            self.scene.tint(cover_shapes([outline], edge), 0.4, 0.6)

    def _trim(self, garment: Mapping[str, Any], hem: float) -> None:
        """Draws the rim of the neckline, a roll collar and embroidery."""
        for hole in self._neck_holes(garment):
            centre = hole.mean(0)
            rim = cover_shapes([centre + (hole - centre) * 1.14], [hole])
            self.scene.tint(rim, 0.5, 0.55)
        if garment["neckline"] == "no_neckline" and garment["kind"] == "sweater":
            roll = self._shape(_mirrored([(0.038, 0.128), (0.043, 0.175)]))
            self._paint_rows(cover_shapes([roll]), self.cloths["sweater"])
            self._seam((-0.04, 0.178), (0.04, 0.178), 0.006, 0.6)
        if garment["finish"] == "embroidered":
            self._embroider(hem)

    def _embroider(self, hem: float) -> None:
        """Draws rows of small crosses along the hem and below the neck."""
        rng = self.rng
        thread = tone(216, 172, 64) if rng.random() < 0.6 else dull_tone(rng, 60, 240)
        points = [(x, hem - 0.02) for x in np.linspace(-0.1, 0.1, 9)]
        chest = np.linspace(-0.06, 0.06, 6)
        points += [(x, 0.30 + 0.045 * (1 - (x / 0.06) ** 2)) for x in chest]
        turns = np.arange(2) * np.pi / 2 + 0.4
        arms = 0.012 * self.height * np.stack([np.cos(turns), np.sin(turns)], 1)
        stitches = [
            limb(point - arm, point + arm, 1.1, 1.1)
            for point in self._at(points)
            for arm in arms
        ]
        self.scene.fill(cover_shapes(stitches), thread, 0.9)

    def _seam(self, start: Point, end: Point, width: float, brightness: float) -> None:
        a, b = self._at([start, end])
        radius = max(width * self.height / 2, 0.8)
        self.scene.tint(cover_shapes([limb(a, b, radius, radius)]), brightness, 0.8)

    # Accessories.

    def _draw_hat(self) -> None:
        cloth = self.cloths["hat"]
        centre = self._centre(0.0, 0.045)
        wide = 0.062 if self.rng.random() < 0.5 else 0.1
        brim = cover_shapes([self._oval(centre, (0, 0), (wide, 0.016))])
        self.scene.darken(brim, 0.4, 2, 0, 4)
        self._paint_rows(brim, cloth)
        crown = np.array(_mirrored([(0.05, 0.045), (0.046, 0.0), (0.025, -0.022)]))
        outline = round_corners(self._at(crown / [self.build, 1]))
        self._paint_rows(cover_shapes([outline]), cloth)
        self._seam((-0.042, 0.036), (0.042, 0.036), 0.012, 0.5)

    def _draw_bag(self) -> None:
        rng, cloth = self.rng, self.cloths["bag"]
        side = -1 if rng.random() < 0.5 else 1
        x, y = side * float(rng.uniform(0.1, 0.15)), float(rng.uniform(0.47, 0.54))
        wide, high = float(rng.uniform(0.042, 0.062)), float(rng.uniform(0.07, 0.1))
        a, b = self._at([(-side * 0.07, 0.18), (x - side * 0.02, y)])
        self.scene.fill(cover_shapes([limb(a, b, 1.6, 1.6)]), tone(40, 32, 28), 0.9)
        corners = [
            *((x - wide, y), (x + wide, y)),
            *((x + wide * 1.1, y + high), (x - wide * 1.1, y + high)),
        ]
        body = cover_shapes([self._shape(corners)])
        self.scene.darken(body, 0.4, 3, 2, 3)
        self._paint_rows(body, cloth)
        flap = y + high * 0.4
        self._seam((x - wide, flap), (x + wide, flap), 0.005, 0.55)
        lock = self._oval(self._centre(x, flap), (0, 0), (0.008, 0.008))
        self.scene.fill(cover_shapes([lock]), tone(214, 186, 110), 0.9)


def _mirrored(right: Sequence[Point]) -> list[Point]:
    """Closes an outline with its mirror image."""
    return [*right, *((-x, y) for x, y in reversed(right))]


def _upper_edge(garment: Mapping[str, Any]) -> list[Point]:
    """Computes the outline of a garment from the neck to the armpit."""
    if garment["sleeve"] == "sleeveless" and garment["neckline"] == "no_neckline":
        return [(0.0, 0.245), (0.05, 0.232), (0.091, 0.236)]  # strapless
    if garment["sleeve"] == "sleeveless":
        return [(0.044, 0.158), (0.076, 0.172), (0.08, 0.21)]
    ease = _EASE[garment["fit"]]
    return [(0.040, 0.155), (0.098 + 0.4 * ease, 0.182), (0.103 + 0.5 * ease, 0.20)]


def _limb_coordinates(
    mask: Mask, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Computes positions along and across a limb, its length, its right side."""
    length = max(float(np.hypot(*(b - a))), 1e-3)
    ux, uy = ((b - a) / length).astype(np.float32)
    y, x = mask.grid()
    dx, dy = x - np.float32(a[0]), y - np.float32(a[1])
    return dx * ux + dy * uy, dx * uy - dy * ux, length, -1.0 if uy < -0.2 else 1.0
