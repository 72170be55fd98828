"""The curve of a run as a picture. The only file that draws training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finetune.lettering import any_letters
from finetune.training.run_folder import Progress, StepDone

PICTURE_FILE = "loss.png"
SMOOTHED_SHARE = 0.04
"""The thick curve is a mean over this part of the run to either side."""
LOSS_COLOR, HELD_OUT_COLOR = "tab:blue", "tab:red"


def draw_losses(title: str, steps: Sequence[StepDone], progress: Progress, path: Path) -> None:
    """Draws the training loss of every step in nats per token, and the bits per byte on held-out
    lines with the best of them marked. Raises OSError."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title.replace("$", r"\$"), loc="left", fontweight="bold")
    numbers = np.array([done.step for done in steps])
    losses = np.array([done.loss for done in steps])
    axes.plot(numbers, losses, color=LOSS_COLOR, alpha=0.25, linewidth=0.8)
    axes.plot(numbers, _smoothed(losses), color=LOSS_COLOR, label="training loss")
    axes.set_xlabel("step")
    axes.set_ylabel("training loss, nats per token", color=LOSS_COLOR)
    handles, labels = axes.get_legend_handles_labels()
    if progress.validations:
        other = axes.twinx()
        at, values = zip(*progress.validations, strict=True)
        other.plot(at, values, color=HELD_OUT_COLOR, marker="o", markersize=4,
                   label="held-out messages")  # fmt: skip
        best = min(range(len(values)), key=values.__getitem__)
        kept = "best, kept" if progress.best_step == at[best] else "best"
        label = f"{kept}: {values[best]:.3f} at step {at[best]}"
        other.plot([at[best]], [values[best]], color=HELD_OUT_COLOR, marker="*", markersize=15,
                   linestyle="", label=label)  # fmt: skip
        other.set_ylabel("bits per byte on held-out messages", color=HELD_OUT_COLOR)
        more_handles, more_labels = other.get_legend_handles_labels()
        handles, labels = handles + more_handles, labels + more_labels
    axes.legend(handles, labels, frameon=False, loc="upper right")
    part = path.with_name(path.name + ".part")
    with any_letters():
        figure.savefig(part, dpi=110, format="png")
    part.replace(path)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """The mean over the neighbours; at the ends over those that are there."""
    reach = round(len(values) * SMOOTHED_SHARE)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    means: np.ndarray = (sums[high] - sums[low]) / (high - low)
    return means
