"""Training in this process with a real graph, and somebody who notes what it tells."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from finetune.cli import main
from finetune.corpus import Corpus
from finetune.dataset import CleanCorpus
from finetune.training.beginning import Beginning, from_base
from finetune.training.loop import Plan
from finetune.training.run_folder import Progress, StepDone


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
    from finetune.bases.base_models import find_base

    return from_base(find_base("tiny", models, models / "nothing"))


@cache
def cleaned(corpus_file: Path) -> CleanCorpus:
    """No test changes the session's corpus, or a line of it."""
    with Corpus.open(corpus_file) as corpus:
        return CleanCorpus.read(corpus)


def train_here(
    corpus_file: Path, models: Path, folder: Path, audience: Audience | None = None,
    *, beginning: Beginning | None = None, friend: str = "Dex", **settings: Any,
) -> Any:  # fmt: skip
    """Trains Dex from `tiny` for a few steps with one thread."""
    from finetune.training.train import TrainingSettings, train_friend

    chosen = TrainingSettings(**{"steps": 8, "threads": 1, "seed": 1, **settings})
    return train_friend(
        cleaned(corpus_file), friend, beginning or tiny(models), folder, chosen,
        audience or Audience(),
    )  # fmt: skip


def finetune(*arguments: object) -> int:
    """A command in this process, which has TensorFlow loaded already; gives its exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as left:  # argparse
        return int(left.code or 0)


def train_command(folder: Path, models: Path, corpus_file: Path, *more: object) -> list[str]:
    return [
        sys.executable, "-m", "finetune", "train", "Dex", "--base", "tiny", "--models",
        str(models), "--corpus", str(corpus_file), "--checkpoints", str(folder),
        "--threads", "1", *map(str, more),
    ]  # fmt: skip


def begin(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for_save(process: subprocess.Popen[str], step: int) -> None:
    """Returns when the run has said that it saved this step, or a later one."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        found = re.search(r"step (\d+) saved", line)
        if found and int(found[1]) >= step:
            return
    raise AssertionError("".join(lines))
