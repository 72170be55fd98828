"""The training loop: schedule, checkpoints, resuming. Knows no friends and prints nothing.

A run lives in one folder: weights as `model-STEP.*` beside gpt-2-simple's own files, and
`training/` with the optimizer's state and `progress.json`, which is written last and so
always names files that are whole. A killed run goes on from there with the same batches in
the same order.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from finetune.arrays import Batch
from model_server.checkpoint_format import write_whole

if TYPE_CHECKING:
    from finetune.graph import Graph

STATE_FOLDER = "training"
PROGRESS_FILE = "progress.json"
COUNTER_FILE = "counter"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to learn.

    The rate rises over `warmup_steps`, stays at `rate`, and falls in a straight line to
    zero over the last `decay_share` of the steps, so a run can be made longer until its
    fall begins.
    """

    steps: int
    rate: float
    warmup_steps: int = 50
    decay_share: float = 0.4
    micro_batches: int = 1
    save_every_seconds: float = 600.0
    validate_every_steps: int = 0
    keep: int = 5
    keep_best: bool = False
    patience: int = 0
    deadline_seconds: float = math.inf

    def rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        rising = min(1.0, (step + 1) / max(1, self.warmup_steps))
        falling = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.rate * min(rising, falling, 1.0)


@dataclass(slots=True)
class Progress:
    """Where a run stands. `validations` holds (step, bits per byte)."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    validations: list[tuple[int, float]] = field(default_factory=list)
    best_step: int | None = None
    finished: bool = False

    @property
    def best(self) -> float:
        return min((value for _, value in self.validations), default=math.inf)


class Watcher(Protocol):
    """Somebody who is told how the run goes, and may ask it to stop."""

    def stepped(self, progress: Progress, plan: Plan) -> None: ...
    def validated(self, step: int, bits_per_byte: float) -> None: ...
    def stop_asked(self) -> bool: ...


@dataclass(slots=True)
class Run:
    """One training run in a folder."""

    folder: Path
    graph: Graph
    plan: Plan
    batches: Callable[[int], Iterator[Batch]]
    """Given the number of batches already used, the batches that follow."""
    validate: Callable[[], float] | None = None

    def train(self, watcher: Watcher) -> Progress:
        """Trains to the end of the plan or until asked to stop; saves either way."""
        progress = self._resume()
        batches = self.batches(progress.step * self.plan.micro_batches)
        began = time.monotonic() - progress.seconds
        saved = time.monotonic()
        while progress.step < self.plan.steps and not watcher.stop_asked():
            group = [next(batches) for _ in range(self.plan.micro_batches)]
            loss = self.graph.step(group, self.plan.rate_at(progress.step))
            progress.loss = (
                loss if math.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * loss
            )
            progress.step += 1
            progress.seconds = time.monotonic() - began
            watcher.stepped(progress, self.plan)
            if self._validation_is_due(progress):
                self._validate(progress, watcher)
                if self._is_stuck(progress):
                    break
            if progress.seconds >= self.plan.deadline_seconds:
                break
            if time.monotonic() - saved > self.plan.save_every_seconds:
                self.save(progress)
                saved = time.monotonic()
        progress.finished = not watcher.stop_asked()
        self.save(progress)
        return progress

    def _resume(self) -> Progress:
        progress = read_progress(self.folder)
        if progress is None:
            return Progress()
        self.graph.restore_weights(self.folder / f"model-{progress.step}")
        self.graph.restore_optimizer(self.folder / STATE_FOLDER / f"optimizer-{progress.step}")
        return progress

    def _validation_is_due(self, progress: Progress) -> bool:
        every = self.plan.validate_every_steps
        return bool(every) and (progress.step % every == 0 or progress.step == self.plan.steps)

    def _validate(self, progress: Progress, watcher: Watcher) -> None:
        assert self.validate is not None
        value = self.validate()
        is_best = value < progress.best
        progress.validations.append((progress.step, value))
        watcher.validated(progress.step, value)
        if is_best and self.plan.keep_best:
            progress.best_step = progress.step
            self.save(progress)

    def _is_stuck(self, progress: Progress) -> bool:
        since_best = [s for s, _ in progress.validations if s > (progress.best_step or 0)]
        return bool(self.plan.patience) and len(since_best) >= self.plan.patience

    def save(self, progress: Progress) -> None:
        """Weights, optimizer, then `progress.json`; only then older files go."""
        state = self.folder / STATE_FOLDER
        state.mkdir(parents=True, exist_ok=True)
        self.graph.save_weights(self.folder / "model", progress.step)
        self.graph.save_optimizer(state / f"optimizer-{progress.step}")
        write_whole(self.folder / COUNTER_FILE, f"{progress.step}\n".encode())
        write_whole(state / PROGRESS_FILE, json.dumps(asdict(progress)).encode())
        self._delete_older(progress)

    def _delete_older(self, progress: Progress) -> None:
        steps = sorted(weight_steps(self.folder))
        kept = {*steps[-self.plan.keep :], progress.step, progress.best_step}
        for step in set(steps) - kept:
            delete_weights(self.folder, step)
        for path in (self.folder / STATE_FOLDER).glob("optimizer-*"):
            if path.name.split(".")[0] != f"optimizer-{progress.step}":
                path.unlink()


def read_progress(folder: Path) -> Progress | None:
    """Where the run in this folder stands, or None if there is none."""
    path = folder / STATE_FOLDER / PROGRESS_FILE
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    data["validations"] = [(step, value) for step, value in data["validations"]]
    return Progress(**data)


def weight_steps(folder: Path) -> list[int]:
    """Steps of all weights `model-STEP.index` in a folder."""
    return [int(p.stem.removeprefix("model-")) for p in folder.glob("model-*.index")]


def delete_weights(folder: Path, step: int) -> None:
    for path in folder.glob(f"model-{step}.*"):
        path.unlink()
