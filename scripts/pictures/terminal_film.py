"""Draws what a terminal showed, row by row, as an animated GIF. Knows no terminal and no show: it
is given screens as text with ANSI escape sequences, and how long each was to be seen.

The colours of all frames come from one small palette, so that a frame holds only what has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from rich.color import Color
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

RGB = tuple[int, int, int]

CELL_WIDTH, CELL_HEIGHT = 21, 44
"""Pixels. GitHub shows the picture at half of its size, so that it is sharp on dense screens."""
MARGIN, TITLE_HEIGHT = 28, 60
FONT_PIXELS, TITLE_FONT_PIXELS = 35, 28
"""DejaVu Sans Mono is 0.602 of it wide: a cell."""
BACKGROUND: RGB = (24, 26, 33)
TITLE_BAR: RGB = (43, 46, 57)
TEXT: RGB = (222, 222, 226)
RED, GREEN, YELLOW = (240, 113, 120), (142, 212, 124), (240, 200, 104)
BLUE, MAGENTA, CYAN = (122, 162, 247), (220, 140, 230), (98, 208, 224)
THEME = TerminalTheme(BACKGROUND, TEXT, [BACKGROUND, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, TEXT])
BUTTONS = (RED, YELLOW, GREEN)
BUTTON_PIXELS = 20
DIM = 0.62
"""How much of the colour is left of what is printed faintly."""
SHADES = 7
"""Steps between a letter's colour and what is behind it, at its edges."""
MOST_COLORS = 256
"""Of a GIF."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A screen, a row per line, the column and row of its cursor, and how long it was there."""

    screen: str
    cursor: tuple[int, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A place of the terminal that is not empty."""

    column: int
    row: int
    char: str
    ink: RGB
    ground: RGB
    is_bold: bool


class Film:
    """A terminal of a fixed size in a window with a title."""

    def __init__(self, columns: int, rows: int, title: str) -> None:
        self.size = (
            columns * CELL_WIDTH + 2 * MARGIN,
            rows * CELL_HEIGHT + 2 * MARGIN + TITLE_HEIGHT,
        )
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self._plain = ImageFont.truetype(fonts / "DejaVuSansMono.ttf", FONT_PIXELS)
        self._bold = ImageFont.truetype(fonts / "DejaVuSansMono-Bold.ttf", FONT_PIXELS)
        self._empty = self._window(title)

    def save(self, frames: Sequence[Frame], file: Path) -> None:
        """Writes the frames as a GIF that begins again at its end."""
        palette = _palette({(cell.ink, cell.ground) for frame in frames for cell in _cells(frame)})
        first, *others = (
            self._drawn(frame).quantize(palette=palette, dither=Image.Dither.NONE)
            for frame in frames
        )
        first.save(
            file, save_all=True, append_images=others, loop=0, optimize=False, disposal=1,
            duration=[round(frame.seconds * 100) * 10 for frame in frames],
        )  # fmt: skip

    def _window(self, title: str) -> Image.Image:
        image = Image.new("RGB", self.size, BACKGROUND)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, self.size[0], TITLE_HEIGHT), fill=TITLE_BAR)
        radius = BUTTON_PIXELS // 2
        for number, color in enumerate(BUTTONS):
            x = MARGIN + radius + number * BUTTON_PIXELS * 2
            draw.circle((x, TITLE_HEIGHT // 2), radius, fill=color)
        middle = (self.size[0] // 2, TITLE_HEIGHT // 2)
        font = self._plain.font_variant(size=TITLE_FONT_PIXELS)
        draw.text(middle, title, font=font, fill=TEXT, anchor="mm")
        return image

    def _drawn(self, frame: Frame) -> Image.Image:
        image = self._empty.copy()
        draw = ImageDraw.Draw(image)
        _fill(draw, *frame.cursor, _faint(TEXT))
        for cell in _cells(frame):
            if cell.ground != BACKGROUND:
                _fill(draw, cell.column, cell.row, cell.ground)
            font = self._bold if cell.is_bold else self._plain
            draw.text(_corner(cell.column, cell.row), cell.char, font=font, fill=cell.ink)
        return image


def _cells(frame: Frame) -> Iterator[Cell]:
    # All rows at once: tmux does not repeat in a row what the row above has begun.
    rows = Text.from_ansi(frame.screen).split("\n", allow_blank=True)
    for row, text in enumerate(rows):
        for column, char in enumerate(text.plain):
            style = _style_at(text, column)
            ink, ground = _rgb(style.color, is_ink=True), _rgb(style.bgcolor, is_ink=False)
            if style.reverse:
                ink, ground = ground, ink
            if char != " " or ground != BACKGROUND:
                ink = _faint(ink) if style.dim else ink
                yield Cell(column, row, char, ink, ground, bool(style.bold))


def _style_at(text: Text, column: int) -> Style:
    spans = (span.style for span in text.spans if span.start <= column < span.end)
    return Style.combine([Style.null(), *(style for style in spans if isinstance(style, Style))])


def _rgb(color: Color | None, *, is_ink: bool) -> RGB:
    found = (color or Color.default()).get_truecolor(THEME, foreground=is_ink)
    return found.red, found.green, found.blue


def _fill(draw: ImageDraw.ImageDraw, column: int, row: int, color: RGB) -> None:
    x, y = _corner(column, row)
    draw.rectangle((x, y, x + CELL_WIDTH - 1, y + CELL_HEIGHT - 1), fill=color)


def _corner(column: int, row: int) -> tuple[int, int]:
    return MARGIN + column * CELL_WIDTH, TITLE_HEIGHT + MARGIN + row * CELL_HEIGHT


def _faint(color: RGB) -> RGB:
    return _mixed(color, BACKGROUND, DIM)


def _mixed(color: RGB, other: RGB, share: float) -> RGB:
    """So much of the colour, the rest of the other one."""
    mixed = [round(a * share + b * (1 - share)) for a, b in zip(color, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _palette(pairs: Set[tuple[RGB, RGB]]) -> Image.Image:
    """For letters of these colours on these grounds, and for the window around them."""
    around = [(TEXT, TITLE_BAR), *((color, TITLE_BAR) for color in BUTTONS)]
    shades = [
        _mixed(ink, ground, step / SHADES)
        for ink, ground in [*around, *sorted(pairs)]
        for step in range(SHADES + 1)
    ]
    colors = list(dict.fromkeys([BACKGROUND, _faint(TEXT), *shades]))[:MOST_COLORS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for color in colors for value in color])
    return palette
