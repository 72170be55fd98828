"""Pictures of a corpus, drawn by matplotlib: as one PNG or SVG, or as a page with all of them."""

from __future__ import annotations

import html
import io
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finetune.dataset import CleanCorpus
from finetune.inspection import Inspection
from finetune.lettering import any_letters, label

matplotlib.rcParams["svg.fonttype"] = "none"

SHOWN_FRIENDS = 10
"""More curves than this cannot be told apart; matplotlib has as many colours."""
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONGEST_NAME = 18
LONGEST_SHOWN = 300
"""Characters; the few longer messages would squeeze all others."""

Draw = Callable[[Axes, CleanCorpus, list[str], Inspection], None]


def plot(corpus: CleanCorpus, found: Inspection, path: Path) -> None:
    """Draws activity over time, the week, who answers whom, and lengths. The ending of `path`
    (.png, .svg, .html) says as what. Raises OSError."""
    with any_letters():
        _draw(corpus, found, path)


def _draw(corpus: CleanCorpus, found: Inspection, path: Path) -> None:
    friends = [friend.name for friend in found.friends[:SHOWN_FRIENDS]]
    if path.suffix == ".html":
        path.write_text(_page(corpus, friends, found), encoding="utf-8")
        return
    figure = Figure(figsize=(15, 11), layout="constrained")
    for axes, (title, draw) in zip(figure.subplots(2, 2).flat, PICTURES.items(), strict=True):
        axes.set_title(title, loc="left", fontweight="bold")
        draw(axes, corpus, friends, found)
    figure.savefig(path, dpi=110)


def _page(corpus: CleanCorpus, friends: list[str], found: Inspection) -> str:
    """A page that needs nothing else: the pictures stand in it as SVG."""
    parts = []
    for title, draw in PICTURES.items():
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        draw(figure.subplots(), corpus, friends, found)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg")
        svg = drawn.getvalue()
        parts.append(f"<h2>{html.escape(title)}</h2>{svg[svg.index('<svg') :]}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The corpus</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font-family:sans-serif;max-width:60em;margin:1em auto;padding:0 1em}"
        "svg{max-width:100%;height:auto}</style>"
        f"<h1>{corpus.report.kept} messages</h1>{''.join(parts)}</html>\n"
    )


def _activity(axes: Axes, corpus: CleanCorpus, friends: list[str], found: Inspection) -> None:
    days = [line.sent_at.date() for line in corpus.lines]
    first, last = min(days), max(days)
    step = _step_days((last - first).days)
    starts = [first + timedelta(days=n) for n in range(0, (last - first).days + 1, step)]
    counts: Counter[tuple[str, int]] = Counter(
        (line.person, (line.sent_at.date() - first).days // step) for line in corpus.lines
    )
    for name in friends:
        axes.plot(
            np.array(starts, dtype="datetime64[D]"),
            [counts[name, n] for n in range(len(starts))],
            label=label(name, LONGEST_NAME), marker="." if len(starts) < 60 else "",
        )  # fmt: skip
    axes.set_ylabel(f"messages in {step} days" if step > 1 else "messages a day")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=30)
    axes.legend(frameon=False, fontsize="small")


def _step_days(span: int) -> int:
    """Days per point, so that there are some forty points."""
    return next((step for step in (1, 2, 7, 14, 30, 91) if span / step <= 52), 365)


def _week(axes: Axes, corpus: CleanCorpus, friends: list[str], found: Inspection) -> None:
    counts = np.zeros((7, 24), int)
    for line in corpus.lines:
        counts[line.sent_at.weekday(), line.sent_at.hour] += 1
    image = axes.imshow(counts, aspect="auto", cmap="viridis")
    axes.set_yticks(range(7), WEEKDAYS)
    axes.set_xticks(range(0, 24, 2))
    axes.set_xlabel("hour of the day")
    _figure_of(axes).colorbar(image, ax=axes, label="messages")


def _answers(axes: Axes, corpus: CleanCorpus, friends: list[str], found: Inspection) -> None:
    counts = np.array([[found.answers.get(a, {}).get(b, 0) for b in friends] for a in friends])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=max(0.01, shares.max()))
    names = [label(name, LONGEST_NAME) for name in friends]
    axes.set_yticks(range(len(friends)), names)
    axes.set_xticks(range(len(friends)), names, rotation=40, ha="right")
    axes.set_ylabel("who answers ...")
    axes.set_xlabel("... whom, in per cent of the answers")
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            color = "white" if share > shares.max() * 0.6 else "black"
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=color)


def _lengths(axes: Axes, corpus: CleanCorpus, friends: list[str], found: Inspection) -> None:
    lengths: dict[str, list[int]] = {name: [] for name in friends}
    for line in corpus.lines:
        if line.person in lengths:
            lengths[line.person].append(min(LONGEST_SHOWN, len(line.text)))
    axes.boxplot(
        [lengths[name] for name in reversed(friends)], orientation="horizontal",
        tick_labels=[label(name, LONGEST_NAME) for name in reversed(friends)],
        flierprops={"markersize": 2}, medianprops={"color": "black"}, patch_artist=True,
        boxprops={"facecolor": "lightsteelblue"},
    )  # fmt: skip
    axes.set_xlabel(f"characters of a message (those above {LONGEST_SHOWN} at {LONGEST_SHOWN})")


def _figure_of(axes: Axes) -> Any:
    return axes.figure


PICTURES: dict[str, Draw] = {
    "Messages over time": _activity,
    "When people talk": _week,
    "Who answers whom": _answers,
    "How long their messages are": _lengths,
}
