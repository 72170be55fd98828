"""Simple shapes drawn as pixels, and those as a PNG: what little of a drawing program faces need.

Knows nothing of faces.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from dataclasses import dataclass

SIDE = 100.0
"""All shapes lie in a square of this side."""
CURVE_PARTS = 12
"""Straight parts that a curve is drawn with; more cannot be told apart."""

Point = tuple[float, float]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Filled; with a width only its outline."""

    center: Point
    radii: Point
    fill: Rgb
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A quadratic Bézier curve, drawn with a round pen."""

    start: Point
    control: Point
    end: Point
    width: float
    fill: Rgb


Shape = Ellipse | Curve


class Canvas:
    """Shapes over a background, each pixel covered as far as the shape reaches into it."""

    def __init__(self, pixels: int, background: Rgb) -> None:
        self._pixels = pixels
        self._scale = pixels / SIDE
        self._rows = [bytearray(bytes(background) * pixels) for _ in range(pixels)]

    def draw(self, shape: Shape) -> None:
        xs, ys = _extent(shape)
        columns, lines = self._reached(*xs), self._reached(*ys)
        parts = _parts(shape) if isinstance(shape, Curve) else []
        for row in lines:
            for column in columns:
                x, y = (column + 0.5) / self._scale, (row + 0.5) / self._scale
                if isinstance(shape, Curve):
                    outside = min(_from_line(x, y, *part) for part in parts) - shape.width / 2
                else:
                    outside = _from_ellipse(x, y, shape)
                covered = min(1.0, max(0.0, 0.5 - outside * self._scale))
                if covered:
                    self._paint(row, column, shape.fill, covered)

    def _reached(self, first: float, last: float) -> range:
        """Pixels between these coordinates, with one to spare for soft edges."""
        return range(
            max(0, math.floor(first * self._scale) - 1),
            min(self._pixels, math.ceil(last * self._scale) + 1),
        )

    def _paint(self, row: int, column: int, fill: Rgb, covered: float) -> None:
        line = self._rows[row]
        for place, value in enumerate(fill, 3 * column):
            line[place] += round((value - line[place]) * covered)

    def png(self) -> bytes:
        size = struct.pack(">2I5B", self._pixels, self._pixels, 8, 2, 0, 0, 0)
        data = zlib.compress(b"".join(b"\0" + line for line in self._rows), 9)
        chunks = ((b"IHDR", size), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )


def _extent(shape: Shape) -> tuple[Point, Point]:
    """From where to where it reaches, in x and in y."""
    if isinstance(shape, Curve):
        points, reach = (shape.start, shape.control, shape.end), shape.width / 2
    else:
        (x, y), (rx, ry) = shape.center, shape.radii
        points, reach = ((x - rx, y - ry), (x + rx, y + ry), shape.center), shape.width / 2
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (min(xs) - reach, max(xs) + reach), (min(ys) - reach, max(ys) + reach)


def _from_ellipse(x: float, y: float, shape: Ellipse) -> float:
    """About how far a point lies outside the shape; negative inside. The value of the implicit
    function over the length of its gradient, exact at the edge
    (https://iquilezles.org/articles/distance/)."""
    x, y = x - shape.center[0], y - shape.center[1]
    rx, ry = shape.radii
    value = math.hypot(x / rx, y / ry)
    slope = math.hypot(x / (rx * rx), y / (ry * ry))
    outside = value * (value - 1) / slope if slope else -min(rx, ry)
    return abs(outside) - shape.width / 2 if shape.width else outside


def _parts(curve: Curve) -> list[tuple[Point, Point]]:
    points = []
    for part in range(CURVE_PARTS + 1):
        t = part / CURVE_PARTS
        a, b, c = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
        points.append(
            (
                a * curve.start[0] + b * curve.control[0] + c * curve.end[0],
                a * curve.start[1] + b * curve.control[1] + c * curve.end[1],
            )
        )
    return list(itertools.pairwise(points))


def _from_line(x: float, y: float, start: Point, end: Point) -> float:
    """How far a point lies from a straight line between two."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / length if length else 0.0
    along = min(1.0, max(0.0, along))
    return math.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
