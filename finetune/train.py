"""Fine-tuning one friend, or everybody at once, from a base model.

Decides what is learnt and how long; the loop, the graph and the text are other modules.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from finetune.base_models import BaseModel, load_weights
from finetune.convert import convert_checkpoint
from finetune.dataset import (
    CleanCorpus,
    Examples,
    dialogue_examples,
    examples,
    pack,
)
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


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What the user may choose. Of `steps` and `epochs` the first given counts; `minutes`
    ends a run whatever the others say."""

    style: Style = "dialogue"
    epochs: float = DEFAULT_EPOCHS
    steps: int | None = None
    minutes: float | None = None
    rate: float | None = None
    seed: int = 0
    threads: int = 0
    save_every_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left in its folder."""

    folder: Path
    progress: Progress
    manifest: Manifest | None


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
    friend = None if name == EVERYBODY else corpus.friend(name).name
    _prepare(folder, base)
    sizes, codec = Sizes.read(folder), Codec.read(folder)
    # Everybody's model is the ground that the friends' models start from, so it must not
    # have read what any of them is tested on.
    people = [f.name for f in corpus.friends()]
    cut = corpus.cut_date(friend or people[0])
    learnt, held_out = corpus.split(cut)
    if friend:
        training = examples(learnt, codec, friend, settings.style)
        validation = examples(held_out, codec, friend, settings.style)
        scored = [line for s in held_out for line in s if line.person == friend]
    else:
        training = dialogue_examples(learnt, codec, None)
        validation = dialogue_examples(held_out, codec, None)
        scored = [line for s in held_out for line in s]
    text_bytes = sum(len(line.text.encode()) + 1 for line in scored)

    rows = max(1, min(16, TOKENS_PER_STEP // sizes.n_ctx))
    plan = _plan(settings, sizes, training, rows)
    graph = Graph(
        sizes, window=sizes.n_ctx, rows=rows, seed=settings.seed, threads=settings.threads
    )
    if read_progress(folder) is None:
        load_weights(graph, base)
    run = Run(
        folder,
        graph,
        plan,
        lambda used: training.batches(rows, sizes.n_ctx, settings.seed, used),
        lambda: _bits_per_byte(graph, validation, rows, sizes.n_ctx, text_bytes),
    )
    progress = run.train(watcher)
    if progress.finished and progress.best_step is not None:
        graph.restore_weights(folder / f"model-{progress.best_step}")
        graph.save_weights(folder / "model", progress.best_step)
    graph.close()
    if not progress.finished:
        return Outcome(folder, progress, None)

    lines = [line for s in learnt for line in s if friend in (None, line.person)]
    manifest = Manifest(
        friend=friend or EVERYBODY,
        speaker=friend,
        known_speakers=people,
        style=settings.style,
        prompt_prefix="" if settings.style == "dialogue" else START_OF_TEXT,
        stop="\n" if settings.style == "dialogue" else "",
        end_of_text="token",
        window=sizes.n_ctx,
        base=BaseModelRecord(name=base.name, hash=base.hash()),
        step=progress.best_step or progress.step,
        trained_on=TrainingRecord(
            messages=len(lines),
            tokens=progress.step * rows * sizes.n_ctx * plan.micro_batches,
            chats=len({line.chat for line in lines}),
            since=min(line.sent_at for line in lines).isoformat(),
            until=max(line.sent_at for line in lines).isoformat(),
            cut_date=cut.isoformat(),
        ),
        statistics=writing_statistics(learnt, friend) if friend else {},
        bits_per_byte={"held_out": round(progress.best, 4)} if progress.validations else {},
    )
    manifest.write(folder)
    convert_checkpoint(folder, "q8_0" if sizes.n_embd % 32 == 0 else "f16")
    return Outcome(folder, progress, Manifest.read(folder))


def _prepare(folder: Path, base: BaseModel) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ENCODER_FILE, MERGES_FILE, HPARAMS_FILE):
        shutil.copyfile(base.folder / name, folder / name)


def _plan(settings: TrainingSettings, sizes: Sizes, training: Examples, rows: int) -> Plan:
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
        validate_every_steps=max(1, round(per_pass / VALIDATIONS_PER_EPOCH)),
        keep_best=True,
        patience=PATIENCE,
        deadline_seconds=(settings.minutes or math.inf) * 60,
    )


def _bits_per_byte(
    graph: Graph, validation: Examples, rows: int, window: int, text_bytes: int
) -> float:
    pieces = validation.pieces(window, None)
    batches = pack(pieces, rows, window, validation.end_of_text)
    nats = sum(float(graph.losses(*batch).sum()) for batch in batches)
    return nats / math.log(2) / max(1, text_bytes)
