"""What the user sees of a training run, and how Ctrl-C ends it: after the current step,
with everything saved."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import NoReturn, Self, TextIO

from tqdm import tqdm

from finetune.loop import Plan, Progress

SECONDS_BETWEEN_LINES = 30
"""How often a line is written where the output is no terminal."""


class ProgressBar:
    """A `finetune.loop.Watcher` on stderr: a bar on a terminal, lines on a pipe."""

    def __init__(self, title: str, out: TextIO = sys.stderr) -> None:
        self._title = title
        self._out = out
        self._bar: tqdm[NoReturn] | None = None
        self._written = time.monotonic()
        self._began: tuple[int, float] | None = None
        self._stop = False

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._ask) for s in _stop_signals()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._bar is not None:
            self._bar.close()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        self._say("stopping after this step; everything is saved")

    def stop_asked(self) -> bool:
        return self._stop

    def stepped(self, progress: Progress, plan: Plan) -> None:
        if self._began is None:
            self._began = (progress.step - 1, time.monotonic())
        if self._out.isatty():
            self._draw(progress, plan)
        elif time.monotonic() - self._written >= SECONDS_BETWEEN_LINES:
            self._written = time.monotonic()
            self._say(
                f"step {progress.step}/{plan.steps}, loss {progress.loss:.2f}, "
                f"{_duration(self._remaining(progress, plan))} left"
            )

    def _draw(self, progress: Progress, plan: Plan) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=plan.steps, initial=progress.step - 1, desc=self._title, file=self._out,
                unit="step", dynamic_ncols=True,
            )  # fmt: skip
        self._bar.set_postfix_str(f"loss {progress.loss:.2f}", refresh=False)
        self._bar.update(progress.step - self._bar.n)

    def _remaining(self, progress: Progress, plan: Plan) -> float:
        assert self._began is not None
        first, began = self._began
        pace = (time.monotonic() - began) / max(1, progress.step - first)
        return min(pace * (plan.steps - progress.step), plan.deadline_seconds - progress.seconds)

    def validated(self, step: int, bits_per_byte: float) -> None:
        self._say(f"step {step}: {bits_per_byte:.3f} bits per byte on held-out messages")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        # A reader that has gone must not end a night of training.
        with suppress(OSError):
            print(f"{self._title}: {text}", file=self._out, flush=True)


class DownloadBar:
    """A bar per file on a terminal; on a pipe a line per file."""

    def __init__(self, title: str, out: TextIO = sys.stderr) -> None:
        self._title = title
        self._out = out
        self._file = ""
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def report(self, file: str, have: int, total: int) -> None:
        """A `finetune.download.Report`."""
        if file != self._file:
            self.__exit__()
            self._file = file
            self._bar = tqdm(
                total=max(total, 0) or None, desc=f"{self._title}: {file}", file=self._out,
                unit="B", unit_scale=True, dynamic_ncols=True, disable=not self._out.isatty(),
            )  # fmt: skip
            if not self._out.isatty():
                print(f"{self._title}: {file}, {total} bytes", file=self._out, flush=True)
        assert self._bar is not None
        self._bar.update(have - self._bar.n)


def _stop_signals() -> list[signal.Signals]:
    return [signal.SIGINT, signal.SIGTERM]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
