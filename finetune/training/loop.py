"""The training loop: schedule, saving, resuming. Knows no friends and prints nothing.

A run lives in one folder (see run_folder.py). A killed run goes on from its last save with the
same batches in the same order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from finetune.arrays import Batch
from finetune.errors import LossExploded, TrainingBroke
from finetune.training.run_folder import (
    COUNTER_FILE,
    STATE_FOLDER,
    LossFile,
    Progress,
    StepDone,
    claim,
    delete_older,
    delete_parts,
    optimizer_prefix,
    read_progress,
    write_progress,
)
from model_server.checkpoint_format import write_whole

if TYPE_CHECKING:
    from finetune.training.graph import Graph

WARMUP_SHARE_OF_TIME = 0.1
"""The rate is at its height after this part of the minutes, however few steps they hold."""
LOWER_RATE = 3.0
"""By how much a smaller rate is advised."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to learn.

    The rate rises over `warmup_steps`, stays at `rate`, and falls in a straight line to
    zero over the last `decay_share` of the steps, so a run can be made longer until its
    fall begins. With a deadline the same holds for the time, whichever ends first.
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

    def rate_at(self, step: int, seconds: float = 0.0) -> float:
        """Learning rate of step 0, 1, ..., steps - 1, begun so many seconds into the run."""
        rising = (step + 1) / max(1, self.warmup_steps)
        falling = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        if math.isfinite(self.deadline_seconds):
            share = seconds / self.deadline_seconds
            rising = max(rising, share / WARMUP_SHARE_OF_TIME)
            falling = min(falling, (1 - share) / self.decay_share)
        return self.rate * max(0.0, min(rising, falling, 1.0))

    def is_over(self, progress: Progress) -> bool:
        """Whether there is no further step to do."""
        if progress.step >= self.steps or progress.seconds >= self.deadline_seconds:
            return True
        since_best = [s for s, _ in progress.validations if s > (progress.best_step or 0)]
        return bool(self.patience) and len(since_best) >= self.patience


class Watcher(Protocol):
    """Somebody who is told how the run goes, and may ask it to stop."""

    def stepped(self, done: StepDone, progress: Progress, plan: Plan) -> None: ...
    def validated(self, step: int, bits_per_byte: float) -> None: ...
    def said(self, step: int, text: str) -> None: ...
    def saved(self, step: int) -> None: ...
    def stop_asked(self) -> bool: ...


class Audience(Watcher, Protocol):
    """A watcher who is also told what is about to happen."""

    def began(self, progress: Progress, plan: Plan, about: str) -> None: ...
    def warned(self, text: str) -> None: ...


def _nothing(*unused: object) -> None:
    pass


@dataclass(slots=True)
class Run:
    """One training run in a folder."""

    folder: Path
    graph: Graph
    plan: Plan
    batches: Callable[[int], Iterator[Batch]]
    """Given the number of batches already used, the batches that follow."""
    validate: Callable[[], float] | None = None
    speak: Callable[[], str] | None = None
    """A line of the model as it is now, after each validation."""
    prepare: Callable[[], None] = _nothing
    """Writes what belongs beside the weights, before the first of them."""
    publish: Callable[[Progress], None] = _nothing
    """After each save, when weights and progress are whole."""
    settings: dict[str, Any] = field(default_factory=dict)
    restart: bool = False
    _losses: LossFile = field(init=False)
    _saved_step: int | None = field(init=False, default=None)
    _is_prepared: bool = field(init=False, default=False)

    def train(self, watcher: Watcher) -> Progress:
        """Trains to the end of the plan or until asked to stop; saves either way.

        Raises TrainingBroke if the loss is no number any more or nothing can be written; the
        last save stays.
        """
        progress = self._resume()
        batches = self.batches(progress.step * self.plan.micro_batches)
        began = time.monotonic() - progress.seconds
        saved = time.monotonic()
        while not self.plan.is_over(progress) and not watcher.stop_asked():
            done = self._step(progress, batches, began)
            watcher.stepped(done, progress, self.plan)
            if self._validation_is_due(progress):
                self._validate(progress, watcher)
            if time.monotonic() - saved > self.plan.save_every_seconds:
                self.save(progress, watcher)
                saved = time.monotonic()
        progress.finished = self.plan.is_over(progress)
        if progress.step:
            if progress.finished and self._was_not_validated(progress):
                self._validate(progress, watcher)
            self.save(progress, watcher)
        return progress

    def _resume(self) -> Progress:
        progress = None if self.restart else read_progress(self.folder)
        if progress is None or not progress.step:
            self._losses = LossFile(self.folder, 0)
            return Progress(settings=self.settings)
        self._losses = LossFile(self.folder, progress.step)
        from finetune.training.tensor_files import reading

        with reading(self.folder / f"model-{progress.step}"):
            self.graph.restore_weights(self.folder / f"model-{progress.step}")
        optimizer = optimizer_prefix(self.folder, progress.step)
        with reading(optimizer):
            self.graph.restore_optimizer(optimizer)
        self._saved_step = progress.step
        return progress

    def _step(self, progress: Progress, batches: Iterator[Batch], began: float) -> StepDone:
        group = [next(batches) for _ in range(self.plan.micro_batches)]
        rate = self.plan.rate_at(progress.step, progress.seconds)
        try:
            loss = self.graph.step(group, rate)
        except LossExploded as error:
            raise TrainingBroke(self._why_it_exploded(progress, error)) from error
        progress.loss = loss if math.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * loss
        progress.step += 1
        progress.seconds = time.monotonic() - began
        read = sum(weights.size for _, weights in group)
        done = StepDone(progress.step, loss, rate, read, progress.seconds)
        self._losses.add(done)
        return done

    def _why_it_exploded(self, progress: Progress, error: LossExploded) -> str:
        rate = self.plan.rate
        left = (
            f"the weights of step {self._saved_step} stay, and the same command with a lower rate "
            "goes on from there"
            if self._saved_step is not None
            else "nothing was saved yet; the same command with a lower rate begins again"
        )
        return (
            f"The loss is no number any more in step {progress.step + 1}, with a rate of "
            f"{rate:.2g}; {left}: --rate {rate / LOWER_RATE:.1g}"
        )

    def _validation_is_due(self, progress: Progress) -> bool:
        every = self.plan.validate_every_steps
        return bool(every) and (progress.step % every == 0 or progress.step == self.plan.steps)

    def _was_not_validated(self, progress: Progress) -> bool:
        """At the end of the minutes, which falls between two validations."""
        validated = {step for step, _ in progress.validations}
        return bool(self.plan.validate_every_steps) and progress.step not in validated

    def _validate(self, progress: Progress, watcher: Watcher) -> None:
        assert self.validate is not None
        value = self.validate()
        is_best = value < progress.best
        progress.validations.append((progress.step, value))
        watcher.validated(progress.step, value)
        if self.speak is not None:
            watcher.said(progress.step, self.speak())
        if is_best and self.plan.keep_best:
            progress.best_step = progress.step
            self.save(progress, watcher)

    def save(self, progress: Progress, watcher: Watcher) -> None:
        """Optimizer, weights, losses, then `progress.json`; only then older files go."""
        is_new = self._saved_step != progress.step
        with self.saving(progress):
            if is_new:
                self._write_tensors(progress)
            self._losses.flush()
            write_progress(self.folder, progress)
            delete_older(self.folder, progress, self.plan.keep)
            self._saved_step = progress.step
            if is_new:
                self.publish(progress)
        if is_new:
            watcher.saved(progress.step)

    def _write_tensors(self, progress: Progress) -> None:
        (self.folder / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        if not self._is_prepared:
            if self._saved_step is None:
                claim(self.folder, self.settings)
            self.prepare()
            self._is_prepared = True
        self.graph.save_optimizer(optimizer_prefix(self.folder, progress.step))
        self.graph.save_weights(self.folder / "model", progress.step)
        write_whole(self.folder / COUNTER_FILE, f"{progress.step}\n".encode())
        progress.saved = sorted({*progress.saved, progress.step})

    @contextmanager
    def saving(self, progress: Progress) -> Iterator[None]:
        """Raises TrainingBroke in place of an OSError or what TensorFlow has for one."""
        # Late, as this loads TensorFlow, and whoever asks for a Plan needs none.
        from finetune.training.tensor_files import writing

        try:
            with writing(self.folder):
                yield
        except OSError as error:
            if self._saved_step != progress.step:
                delete_parts(self.folder, progress.step)
            left = (
                f"The weights of step {self._saved_step} stay"
                if self._saved_step is not None
                else "Nothing is saved yet"
            )
            raise TrainingBroke(
                f"{error.filename or self.folder}: step {progress.step} cannot be saved "
                f"({error.strerror or error}). {left}; make room there, and the same command "
                "goes on."
            ) from error
