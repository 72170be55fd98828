"""Fine-tuning one friend, or everybody at once, from a base model.

Decides what is learnt and how long; the loop, the graph and the text are other modules.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from finetune.base_models import BaseModel, load_weights
from finetune.convert import convert_checkpoint
from finetune.dataset import CleanCorpus, Parts, Session
from finetune.examples import Examples, dialogue_examples, examples, pack
from finetune.graph import Graph
from finetune.loop import Plan, Progress, Run, Watcher, read_progress
from finetune.stats import writing_statistics
from model_server.checkpoint_format import (
    ENCODER_FILE,
    HPARAMS_FILE,
    MERGES_FILE,
    START_OF_TEXT,
    BaseModelRecord,
    Codec,
    Manifest,
    Sizes,
    Style,
    TrainingRecord,
    write_line_digests,
)

TOKENS_PER_STEP = 2048
RATE_OF_124M = 1e-4
"""gpt-2-simple's rate for 124 million weights; smaller models take larger steps, with the
square root of their size."""
DEFAULT_EPOCHS = 6.0
VALIDATIONS_PER_EPOCH = 2
PATIENCE = 3
"""Training ends after so many validations without a new best."""
EVERYBODY = "everybody"
AFTER_POOL_SHARE = 0.25
"""Of the passes, those that a friend still gets after a pooled model took all of them."""

Keep = Literal["best", "last"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What the user may choose. Of `steps` and `epochs` the first given counts; `minutes`
    ends a run whatever the others say. `keep` "best" stops early and takes the weights that
    do best on held-out messages; "last" trains on, towards more voice and more quoting."""

    style: Style = "dialogue"
    epochs: float = DEFAULT_EPOCHS
    steps: int | None = None
    minutes: float | None = None
    rate: float | None = None
    keep: Keep = "best"
    seed: int = 0
    threads: int = 0
    save_every_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left in its folder."""

    folder: Path
    progress: Progress
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class Material:
    """What one run learns from and is tested on. `friend` None is everybody."""

    friend: str | None
    people: tuple[str, ...]
    parts: Parts
    training: Examples
    validation: Examples
    scored_bytes: int
    """Of the held-out lines; 0 if the friend wrote none since the parts were divided."""
    selection: dict[str, Any]

    @classmethod
    def of(cls, corpus: CleanCorpus, name: str, codec: Codec, style: Style) -> Self:
        """Raises NoSuchFriend, TooLittleText."""
        friend = None if name == EVERYBODY else corpus.friend(name).name
        if friend is not None:
            corpus.require_enough(friend)
        people = tuple(found.name for found in corpus.friends())
        parts = corpus.parts
        scored = [line for s in parts.validation for line in s if friend in (None, line.person)]
        make = _examples_of(friend, style)
        return cls(
            friend, people, parts, make(corpus.stitched(parts.training), codec),
            make(corpus.stitched(parts.validation), codec),
            sum(len(line.text.encode()) + 1 for line in scored), corpus.chosen(),
        )  # fmt: skip


def _examples_of(
    friend: str | None, style: Style
) -> Callable[[Sequence[Session], Codec], Examples]:
    if friend is None:
        return lambda found, codec: dialogue_examples(found, codec, None)
    return lambda found, codec: examples(found, codec, friend, style)


def train_friend(
    corpus: CleanCorpus,
    name: str,
    base: BaseModel,
    folder: Path,
    settings: TrainingSettings,
    watcher: Watcher,
) -> Outcome:
    """Fine-tunes on one friend; `EVERYBODY` learns all speakers' words at once.

    A second call goes on where the first was stopped. Raises NoSuchFriend, TooLittleText.
    """
    material = Material.of(corpus, name, Codec.read(base.folder), settings.style)
    _prepare(folder, base)
    sizes = Sizes.read(folder)
    rows = max(1, min(16, TOKENS_PER_STEP // sizes.n_ctx))
    plan = _plan(settings, sizes, material, rows)
    graph = Graph(
        sizes, window=sizes.n_ctx, rows=rows, seed=settings.seed, threads=settings.threads
    )
    if read_progress(folder) is None:
        load_weights(graph, base)
    run = Run(
        folder,
        graph,
        plan,
        lambda used: material.training.batches(rows, sizes.n_ctx, settings.seed, used),
        lambda: _bits_per_byte(graph, material, rows, sizes.n_ctx),
    )
    progress = run.train(watcher)
    if progress.finished and progress.best_step is not None:
        graph.restore_weights(folder / f"model-{progress.best_step}")
        graph.save_weights(folder / "model", progress.best_step)
    graph.close()
    if not progress.finished:
        return Outcome(folder, progress, None)
    tokens = progress.step * rows * sizes.n_ctx * plan.micro_batches
    _manifest(material, base, settings.style, sizes, progress, tokens).write(folder)
    write_line_digests((line.text for s in material.parts.training for line in s), folder)
    convert_checkpoint(folder, "q8_0" if sizes.n_embd % 32 == 0 else "f16")
    return Outcome(folder, progress, Manifest.read(folder))


def _manifest(
    material: Material,
    base: BaseModel,
    style: Style,
    sizes: Sizes,
    progress: Progress,
    tokens: int,
) -> Manifest:
    friend = material.friend
    lines = [line for s in material.parts.training for line in s if friend in (None, line.person)]
    dialogue = style == "dialogue"
    return Manifest(
        friend=friend or EVERYBODY,
        speaker=friend,
        known_speakers=list(material.people),
        style=style,
        prompt_prefix="" if dialogue else START_OF_TEXT,
        stop="\n" if dialogue else "",
        end_of_text="token",
        window=sizes.n_ctx,
        base=BaseModelRecord(name=base.name, hash=base.hash()),
        step=progress.best_step or progress.step,
        trained_on=TrainingRecord(
            messages=len(lines),
            tokens=tokens,
            chats=len({line.chat for line in lines}),
            since=min(line.sent_at for line in lines).isoformat(),
            until=max(line.sent_at for line in lines).isoformat(),
            cut_date=material.parts.validation_from.isoformat(),
            test_from=material.parts.test_from.isoformat(),
            selection=material.selection,
        ),
        statistics=writing_statistics(material.parts.training, friend) if friend else {},
        bits_per_byte=_held_out(progress),
    )


def _held_out(progress: Progress) -> dict[str, float]:
    """Of the weights that are kept: the best ones if any were marked, else the last."""
    if not progress.validations:
        return {}
    value = progress.best if progress.best_step else progress.validations[-1][1]
    return {"held_out": round(value, 4)}


def _prepare(folder: Path, base: BaseModel) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ENCODER_FILE, MERGES_FILE, HPARAMS_FILE):
        shutil.copyfile(base.folder / name, folder / name)


def _plan(settings: TrainingSettings, sizes: Sizes, material: Material, rows: int) -> Plan:
    training = material.training
    # Without anything to validate on, the last weights are all there is to keep.
    validates = material.scored_bytes > 0
    keep_best = settings.keep == "best" and validates
    micro_batches = max(1, TOKENS_PER_STEP // (rows * sizes.n_ctx))
    per_pass = training.batches_per_pass(rows, sizes.n_ctx) / micro_batches
    steps = settings.steps or max(1, round(settings.epochs * per_pass))
    return Plan(
        steps=steps,
        rate=settings.rate or RATE_OF_124M * math.sqrt(124e6 / sizes.parameters),
        warmup_steps=min(50, max(1, steps // 10)),
        decay_share=0.9,
        micro_batches=micro_batches,
        save_every_seconds=settings.save_every_seconds,
        validate_every_steps=max(1, round(per_pass / VALIDATIONS_PER_EPOCH)) if validates else 0,
        keep_best=keep_best,
        patience=PATIENCE if keep_best else 0,
        deadline_seconds=(settings.minutes or math.inf) * 60,
    )


def _bits_per_byte(graph: Graph, material: Material, rows: int, window: int) -> float:
    validation = material.validation
    batches = pack(validation.pieces(window, None), rows, window, validation.end_of_text)
    nats = sum(float(graph.losses(*batch).sum()) for batch in batches)
    return nats / math.log(2) / max(1, material.scored_bytes)
