"""Faces drawn for those who have no picture: the same name always has the same face.

Each face is a list of simple shapes, which become an SVG or, drawn by ourselves, a PNG: the same
picture for web pages and for chats that take only pixels. Knows nothing of either.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from orchestrator.pixels import SIDE, Canvas, Curve, Ellipse, Rgb, Shape

MOST_PIXELS = 1024
BACKGROUNDS: dict[str, Rgb] = {
    "red": (247, 178, 172), "green": (178, 221, 176), "yellow": (250, 224, 150),
    "blue": (172, 200, 242), "magenta": (234, 184, 228), "cyan": (166, 222, 226),
    "white": (218, 220, 226),
}  # fmt: skip
SHIRTS: dict[str, Rgb] = {
    "red": (192, 64, 62), "green": (62, 128, 72), "yellow": (201, 138, 28),
    "blue": (58, 92, 172), "magenta": (150, 66, 146), "cyan": (32, 120, 130),
    "white": (104, 110, 124),
}  # fmt: skip
SKINS: Sequence[Rgb] = (
    (255, 224, 196), (247, 205, 168), (232, 182, 140), (205, 148, 104), (168, 112, 74),
    (124, 80, 54),
)  # fmt: skip
HAIRS: Sequence[Rgb] = (
    (44, 36, 36), (78, 52, 40), (122, 76, 44), (176, 120, 58), (224, 184, 104), (168, 62, 40),
    (128, 132, 144), (92, 84, 148), (46, 118, 116),
)  # fmt: skip
INK: Rgb = (48, 38, 40)
MOUTH: Rgb = (120, 44, 50)
WHITE: Rgb = (255, 255, 255)


def svg(name: str, color: str) -> str:
    """The face as an SVG document. `color` is a friend's (see settings); any other: one that the
    name gives."""
    background, shapes = _face(name, color)
    drawn = "".join(map(_element, shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE:g} {SIDE:g}">'
        f'<rect width="{SIDE:g}" height="{SIDE:g}" fill="{_hex(background)}"/>{drawn}</svg>'
    )


@lru_cache(maxsize=64)
def png(name: str, color: str, pixels: int) -> bytes:
    """The same face as a PNG of so many pixels square, 1024 at most
    (https://www.w3.org/TR/png-3/)."""
    if not 1 <= pixels <= MOST_PIXELS:
        raise ValueError(f"{pixels} pixels: a face has 1 to {MOST_PIXELS}")
    background, shapes = _face(name, color)
    canvas = Canvas(pixels, background)
    for shape in shapes:
        canvas.draw(shape)
    return canvas.png()


# --- the face -------------------------------------------------------------------------------


def _face(name: str, color: str) -> tuple[Rgb, list[Shape]]:
    """The background, and the shapes from back to front."""
    seed = sha256(name.strip().casefold().encode(errors="replace")).digest()
    chance = random.Random(int.from_bytes(seed, "big"))
    if color not in BACKGROUNDS:
        color = chance.choice(sorted(BACKGROUNDS))
    else:
        chance.choice(sorted(BACKGROUNDS))  # the face is the same in all colors
    skin, hair = chance.choice(SKINS), chance.choice(HAIRS)
    behind, front = chance.choice(HAIRCUTS)
    shade = _mixed(skin, (150, 70, 60), 0.22)
    shapes: list[Shape] = [
        *behind(hair),
        Curve((50, 70), (50, 84), (50, 92), 17, shade),
        Ellipse((50, 114), (38, 27), SHIRTS[color]),
        *(Ellipse((50 + side * 25.5, 54), (5, 7), shade) for side in (-1, 1)),
        Ellipse((50, 51), (25 + chance.random() * 2, 28 + chance.random() * 3), skin),
        *front(hair),
        *(Ellipse((50 + side * 16, 62), (4.6, 3.2), _mixed(skin, (236, 96, 96), 0.32))
          for side in (-1, 1)),
        *_eyes(chance, hair),
        Curve((49, 56), (47.5, 61), (51.5, 60.5), 1.8, shade),
        *_mouth(chance),
        *_extras(chance, skin, hair),
    ]  # fmt: skip
    return BACKGROUNDS[color], shapes


def _eyes(chance: random.Random, hair: Rgb) -> Iterator[Shape]:
    kind = chance.choice(("round", "round", "tall", "happy", "wink"))
    apart, brow = 9.5 + chance.random() * 2, 40 + chance.random() * 2
    lift = chance.uniform(-1.5, 2.5)
    for side in (-1, 1):
        x = 50 + side * apart
        if kind == "happy" or (kind == "wink" and side == 1):
            yield Curve((x - 4, 53), (x, 47.5), (x + 4, 53), 2.4, INK)
        else:
            yield Ellipse((x, 51.5), (3.0, 4.4 if kind == "tall" else 3.4), INK)
            yield Ellipse((x + 1, 50.2), (1.0, 1.0), WHITE)
        dark = _mixed(hair, INK, 0.45)
        yield Curve((x - 4.5, brow + 1.5), (x, brow - lift), (x + 4.5, brow + 1.5), 2.2, dark)


def _mouth(chance: random.Random) -> Iterator[Shape]:
    match chance.choice(("smile", "smile", "crooked", "open", "small")):
        case "smile":
            yield Curve((42, 67), (50, 75), (58, 67), 2.4, MOUTH)
        case "crooked":
            yield Curve((43, 69), (52, 74), (58, 66), 2.4, MOUTH)
        case "open":
            yield Ellipse((50, 69), (7, 5), MOUTH)
            yield Curve((45.5, 66.3), (50, 67.6), (54.5, 66.3), 2.4, WHITE)
        case _:
            yield Curve((46, 68.5), (50, 72), (54, 68.5), 2.4, MOUTH)


def _extras(chance: random.Random, skin: Rgb, hair: Rgb) -> Iterator[Shape]:
    kind = chance.choice(("none", "none", "glasses", "freckles", "moustache", "earring"))
    for side in (-1, 1):
        if kind == "glasses":
            yield Ellipse((50 + side * 10.5, 52), (7.6, 7.2), INK, 1.7)
            yield Curve(
                (50 + side * 18, 51), (50 + side * 21, 50), (50 + side * 24, 50.5), 1.7, INK
            )
        elif kind == "freckles":
            for x, y in ((14, 58.5), (17.5, 60), (12, 61.5)):
                yield Ellipse((50 + side * x, y), (0.9, 0.9), _mixed(skin, (130, 70, 40), 0.5))
        elif kind == "moustache":
            x = 50 + side * 5
            yield Curve((50, 64), (x, 62), (50 + side * 9, 66), 3.4, _mixed(hair, INK, 0.25))
        elif kind == "earring":
            yield Ellipse((50 + side * 25.5, 63), (1.9, 1.9), (250, 206, 80))
    if kind == "glasses":
        yield Curve((47, 51), (50, 49.5), (53, 51), 1.7, INK)


def _nothing(hair: Rgb) -> Iterator[Shape]:
    return iter(())


def _short_behind(hair: Rgb) -> Iterator[Shape]:
    yield Ellipse((50, 42), (28, 26), hair)


def _long_behind(hair: Rgb) -> Iterator[Shape]:
    yield Ellipse((50, 46), (31, 30), hair)
    yield Curve((25, 50), (20, 74), (25, 88), 15, hair)
    yield Curve((75, 50), (80, 74), (75, 88), 15, hair)


def _bun_behind(hair: Rgb) -> Iterator[Shape]:
    yield Ellipse((50, 15), (11, 10), hair)
    yield from _short_behind(hair)


def _curls_behind(hair: Rgb) -> Iterator[Shape]:
    for part in range(11):
        angle = math.pi * (part / 10 * 1.3 - 0.15)
        yield Ellipse((50 - 26 * math.cos(angle), 46 - 25 * math.sin(angle)), (10, 10), hair)


def _spikes_behind(hair: Rgb) -> Iterator[Shape]:
    yield Ellipse((50, 42), (27, 24), hair)
    for part in range(7):
        angle = math.pi * (0.14 + part / 6 * 0.72)
        x, y = math.cos(angle), math.sin(angle)
        near, far = (50 - 22 * x, 42 - 20 * y), (50 - 34 * x, 44 - 33 * y)
        yield Curve(near, near, far, 7, hair)


def _fringe(hair: Rgb) -> Iterator[Shape]:
    yield Curve((30, 38), (50, 20), (70, 38), 12, hair)
    yield Curve((35, 30), (50, 17), (65, 30), 13, hair)


def _side_parting(hair: Rgb) -> Iterator[Shape]:
    yield Curve((29, 41), (33, 25), (62, 25), 12, hair)
    yield Curve((58, 25), (69, 27), (72, 40), 10, hair)


def _curly_front(hair: Rgb) -> Iterator[Shape]:
    for x, y in ((32, 34), (40, 28), (50, 26), (60, 28), (68, 34)):
        yield Ellipse((x, y), (7.5, 7), hair)


def _high_front(hair: Rgb) -> Iterator[Shape]:
    yield Curve((28, 38), (50, 9), (72, 38), 10, hair)


HAIRCUTS = (
    (_short_behind, _fringe), (_short_behind, _side_parting), (_long_behind, _fringe),
    (_long_behind, _side_parting), (_bun_behind, _high_front), (_curls_behind, _curly_front),
    (_spikes_behind, _high_front), (_short_behind, _high_front), (_nothing, _nothing),
)  # fmt: skip
"""What is drawn behind the head and what before it."""


def _mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """The first colour with a share of the second."""
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(first, second, strict=True)
    )  # fmt: skip
    return red, green, blue


# --- as SVG ---------------------------------------------------------------------------------


def _element(shape: Shape) -> str:
    paint = _hex(shape.fill)
    if isinstance(shape, Curve):
        points = [f"{x:.4g} {y:.4g}" for x, y in (shape.start, shape.control, shape.end)]
        return (
            f'<path d="M{points[0]}Q{points[1]} {points[2]}" fill="none" stroke="{paint}"'
            f' stroke-width="{shape.width:g}" stroke-linecap="round" stroke-linejoin="round"/>'
        )
    (x, y), (rx, ry) = shape.center, shape.radii
    how = (
        f'fill="none" stroke="{paint}" stroke-width="{shape.width:g}"'
        if shape.width
        else f'fill="{paint}"'
    )
    return f'<ellipse cx="{x:.4g}" cy="{y:.4g}" rx="{rx:.4g}" ry="{ry:.4g}" {how}/>'


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
