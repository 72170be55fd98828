"""What the user sees of a training run, and how Ctrl-C ends it: after the current step,
with everything saved."""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from contextlib import suppress
from types import FrameType
from typing import Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from finetune.training.loop import Plan
from finetune.training.run_folder import Progress as RunProgress
from finetune.training.run_folder import StepDone

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_BETWEEN_LINES = 30
"""How often a line is written where the output is no terminal."""
SHOWN_IN_SECONDS = 100
STEPS_OF_PACE = 50
"""The time left follows the speed of the latest steps."""


class ProgressBar:
    """A `finetune.training.loop.Audience` on stderr: a bar on a terminal, lines on a pipe."""

    def __init__(self, title: str, out: TextIO | None = None, hint: str = "") -> None:
        """`hint` is said once, after the first save."""
        self._title = title
        self._out = out or sys.stderr
        self._hint = hint
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._written = time.monotonic()
        self._recent: deque[tuple[float, StepDone]] = deque(maxlen=STEPS_OF_PACE)
        self._held_out = ""
        self._stop = False
        self._is_stop_confirmed = False

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._ask) for s in STOP_SIGNALS}
        return self

    def __exit__(self, *unused: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._bar is not None:
            self._bar.stop()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._stop or not self._recent:
            raise KeyboardInterrupt  # a second time, or nothing is learnt yet
        self._stop = True
        self._confirm_stop()

    def _confirm_stop(self) -> None:
        """Said at once, if possible: a signal may come while something else is printed, and Python
        refuses to print within that."""
        try:
            self._say("stopping after this step; everything is saved")
        except RuntimeError:
            self._is_stop_confirmed = False
        else:
            self._is_stop_confirmed = True

    def stop_asked(self) -> bool:
        if self._stop and not self._is_stop_confirmed:
            self._confirm_stop()
        return self._stop

    def began(self, progress: RunProgress, plan: Plan, about: str) -> None:
        where = f", going on at step {progress.step}" if progress.step else ""
        self._say(about + where)

    def warned(self, text: str) -> None:
        self._say(text)

    def stepped(self, done: StepDone, progress: RunProgress, plan: Plan) -> None:
        self._recent.append((time.monotonic(), done))
        if self._out.isatty():
            self._draw(progress, plan)
        elif time.monotonic() - self._written >= SECONDS_BETWEEN_LINES:
            self._written = time.monotonic()
            self._say(f"step {progress.step}/{plan.steps}, {self._figures(progress, plan)}")

    def _draw(self, progress: RunProgress, plan: Plan) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(),
                TextColumn("{task.fields[figures]}"), console=Console(file=self._out),
            )  # fmt: skip
            self._task = self._bar.add_task(escape(self._title), total=1.0, figures="")
            self._bar.start()
        share = max(progress.step / plan.steps, progress.seconds / plan.deadline_seconds)
        figures = f"{progress.step}/{plan.steps} {self._figures(progress, plan)}"
        self._bar.update(self._task, completed=share, figures=figures)

    def _figures(self, progress: RunProgress, plan: Plan) -> str:
        """The loss, the last validation, and what the latest steps tell of speed and time."""
        parts = [f"loss {progress.loss:.2f}", *([self._held_out] if self._held_out else [])]
        if len(self._recent) > 1:
            (first, _), (last, newest) = self._recent[0], self._recent[-1]
            pace = (last - first) / (len(self._recent) - 1)
            left = min(
                pace * (plan.steps - progress.step), plan.deadline_seconds - progress.seconds
            )
            parts += [f"{newest.tokens / max(pace, 1e-9):,.0f} tokens/s", f"{_duration(left)} left"]
        return ", ".join(parts)

    def validated(self, step: int, bits_per_byte: float) -> None:
        self._held_out = f"{bits_per_byte:.3f} bits/byte"
        self._say(f"step {step}: {bits_per_byte:.3f} bits per byte on held-out messages")

    def said(self, step: int, text: str) -> None:
        self._say(f"step {step}: {text}")

    def saved(self, step: int) -> None:
        hint, self._hint = self._hint, ""
        self._say(f"step {step} saved{f'; {hint}' if hint else ''}")

    def _say(self, text: str) -> None:
        # A reader that has gone must not end a night of training.
        with suppress(OSError):
            if self._bar is not None:
                self._bar.console.print(f"{self._title}: {text}", markup=False, highlight=False)
            else:
                print(f"{self._title}: {text}", file=self._out, flush=True)


class DownloadBar:
    """A bar per file on a terminal; on a pipe a line per file."""

    def __init__(self, title: str, out: TextIO | None = None) -> None:
        self._title = title
        self._out = out or sys.stderr
        self._file = ""
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, file: str, have: int, total: int) -> None:
        """A `finetune.bases.download.Report`; a total below zero is not known."""
        if file != self._file:
            self._file = file
            self._begin(file, total)
        if self._bar is not None:
            self._bar.update(self._task, completed=have)

    def _begin(self, file: str, total: int) -> None:
        size = f", {total} bytes" if total >= 0 else ""
        if not self._out.isatty():
            print(f"{self._title}: {file}{size}", file=self._out, flush=True)
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
                TransferSpeedColumn(), console=Console(file=self._out),
            )  # fmt: skip
            self._bar.start()
        name = escape(f"{self._title}: {file}")
        self._task = self._bar.add_task(name, total=total if total >= 0 else None)


def _duration(seconds: float) -> str:
    if seconds < SHOWN_IN_SECONDS:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
