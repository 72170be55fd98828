"""The figures as pictures, drawn by matplotlib, for a light and for a dark page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finetune.evaluation.likeness import Recognised
from finetune.evaluation.results import Evaluation
from finetune.lettering import any_letters, label

Colors = dict[Any, Any]  # matplotlib spells out all its keys as literals

LIGHT: Colors = {
    "figure.facecolor": "#ffffff", "axes.facecolor": "#ffffff", "text.color": "#1c1e21",
    "axes.labelcolor": "#1c1e21", "axes.edgecolor": "#8a8d91", "xtick.color": "#1c1e21",
    "ytick.color": "#1c1e21",
}  # fmt: skip
DARK: Colors = {
    "figure.facecolor": "#16181b", "axes.facecolor": "#16181b", "text.color": "#e4e6e9",
    "axes.labelcolor": "#e4e6e9", "axes.edgecolor": "#6b6f75", "xtick.color": "#e4e6e9",
    "ytick.color": "#e4e6e9",
}  # fmt: skip
SHARED: Colors = {"font.size": 11.0, "axes.spines.top": False, "axes.spines.right": False}
DOTS_PER_INCH = 110
LONGEST_NAME = 14


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as PNG for each kind of page; `alt` says what is to be seen."""

    name: str
    alt: str
    light: bytes
    dark: bytes


def pictures(found: Evaluation) -> list[Picture]:
    """Bits per byte, the matrix and, with two friends or more, who was taken for whom."""
    made = [
        _picture("bits-per-byte", "Bits per byte of each model on each friend's held-out "
                 "messages", lambda: _bars(found)),
        _picture("matrix", "Heat map: each friend's model on each friend's held-out messages",
                 lambda: _matrix(found)),
    ]  # fmt: skip
    if found.likeness is not None:
        made.append(
            _picture("likeness", "Whom real lines and those of the clones were taken for",
                     lambda: _likeness(found))
        )  # fmt: skip
    return made


def _picture(name: str, alt: str, draw: Callable[[], Figure]) -> Picture:
    return Picture(name, alt, _png(draw, LIGHT), _png(draw, DARK))


def _png(draw: Callable[[], Figure], colors: Colors) -> bytes:
    drawn = io.BytesIO()
    with matplotlib.rc_context({**SHARED, **colors}), any_letters():
        draw().savefig(drawn, dpi=DOTS_PER_INCH)
    return drawn.getvalue()


def _bars(found: Evaluation) -> Figure:
    figure = Figure(figsize=(5.4, 1.1 + 0.75 * len(found.friends)), layout="constrained")
    axes = figure.subplots()
    models = {"base": "base", "pooled": "pooled", "personal": "clone"}
    shown = [m for m in models if any(getattr(friend, m) for friend in found.friends)]
    height = 0.8 / max(1, len(shown))
    places = np.arange(len(found.friends))
    colors = {"base": "#9aa0a6", "pooled": "#e0a030", "personal": "#3f86d8"}
    for number, model in enumerate(shown):
        scores = [getattr(friend, model) for friend in found.friends]
        values = [score.bits_per_byte if score else 0.0 for score in scores]
        bars = axes.barh(
            places + (number - (len(shown) - 1) / 2) * height, values, height * 0.9,
            label=models[model], color=colors[model],
        )  # fmt: skip
        axes.bar_label(bars, [f"{v:.2f}" if v else "" for v in values], padding=3, fontsize=9)
    axes.set_yticks(places, [label(friend.friend, LONGEST_NAME) for friend in found.friends])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel("bits per byte; fewer are better")
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    return figure


def _matrix(found: Evaluation) -> Figure:
    names = list(found.matrix)
    values = np.array([
        [score.bits_per_byte if (score := found.matrix[model][text]) else np.nan for text in names]
        for model in names
    ])  # fmt: skip
    figure = Figure(figsize=(2.0 + 0.85 * len(names), 1.8 + 0.6 * len(names)), layout="constrained")
    axes = figure.subplots()
    if np.isfinite(values).any():
        # Each column by itself: some friends are harder to foresee than others.
        spread = values - np.nanmean(values, axis=0, keepdims=True) if len(names) > 1 else values
        _cells(axes, spread, [[_score(v) for v in row] for row in values], "RdYlBu_r")
    _named(axes, names, "whose model", "on whose messages")
    return figure


def _score(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _likeness(found: Evaluation) -> Figure:
    assert found.likeness is not None
    shown = {"real lines": found.likeness.real, "the clones' lines": found.likeness.generated}
    names = list(found.likeness.trained_on)
    # One above the other, or a phone would show neither.
    figure = Figure(figsize=(5.4, 3.2 + 0.9 * len(names)), layout="constrained")
    for axes, (title, recognised) in zip(figure.subplots(2, 1), shown.items(), strict=True):
        shares = _shares(recognised, names)
        _cells(axes, shares, [[f"{v:.0%}" for v in row] for row in shares], "Blues", 0.0, 1.0)
        _named(axes, names, "written by", "taken for")
        axes.set_title(f"{title}: {recognised.accuracy.value:.0%} right", fontsize=11)
    return figure


def _shares(recognised: Recognised, names: Sequence[str]) -> Any:
    counts = np.array([[recognised.confusion[a].get(b, 0) for b in names] for a in names])
    return counts / np.maximum(1, counts.sum(axis=1, keepdims=True))


def _cells(
    axes: Axes, values: Any, texts: Sequence[Sequence[str]], colors: str,
    low: float | None = None, high: float | None = None,
) -> None:  # fmt: skip
    image = axes.imshow(values, cmap=colors, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        is_light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
        axes.text(
            column, row, texts[row][column], ha="center", va="center", fontsize=10,
            color="#111111" if is_light or not np.isfinite(value) else "#ffffff",
        )  # fmt: skip


def _named(axes: Axes, names: Sequence[str], rows: str, columns: str) -> None:
    labels = [label(name, LONGEST_NAME) for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set_xticks(range(len(names)), labels, rotation=35, ha="right")
    axes.set_ylabel(rows)
    axes.set_xlabel(columns)
