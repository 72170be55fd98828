"""Training in this process with a real graph, and somebody who notes what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.beginning import Beginning, from_base
from finetune.corpus import Corpus
from finetune.dataset import CleanCorpus
from finetune.loop import Plan
from finetune.run_folder import Progress, StepDone


@dataclass
class Audience:
    """Notes everything; stops the run after `stop_after` steps, and calls `when_saved`."""

    stop_after: int | None = None
    when_saved: Callable[[int], None] = lambda step: None
    steps: list[StepDone] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    saves: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def began(self, progress: Progress, plan: Plan, about: str) -> None:
        self.told.append(about)

    def warned(self, text: str) -> None:
        self.told.append(text)

    def stepped(self, done: StepDone, progress: Progress, plan: Plan) -> None:
        self.steps.append(done)

    def validated(self, step: int, bits_per_byte: float) -> None:
        self.validations.append((step, bits_per_byte))

    def said(self, step: int, text: str) -> None:
        self.samples.append(text)

    def saved(self, step: int) -> None:
        self.saves.append(step)
        self.when_saved(step)

    def stop_asked(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after


def tiny(models: Path) -> Beginning:
    from finetune.base_models import find_base

    return from_base(find_base("tiny", models, models / "nothing"))


def cleaned(corpus_file: Path) -> CleanCorpus:
    with Corpus.open(corpus_file) as corpus:
        return CleanCorpus.read(corpus)


def train_here(
    corpus_file: Path, models: Path, folder: Path, audience: Audience | None = None,
    *, beginning: Beginning | None = None, friend: str = "Dex", **settings: Any,
) -> Any:  # fmt: skip
    """Trains Dex from `tiny` for a few steps with one thread."""
    from finetune.train import TrainingSettings, train_friend

    chosen = TrainingSettings(**{"steps": 8, "threads": 1, "seed": 1, **settings})
    return train_friend(
        cleaned(corpus_file), friend, beginning or tiny(models), folder, chosen,
        audience or Audience(),
    )  # fmt: skip
