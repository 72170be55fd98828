"""Base models in gpt-2-simple's own model-folder form: training one from scratch.

A base model is a folder `models/NAME` with `checkpoint`, `encoder.json`, `hparams.json`,
`model.ckpt.*` and `vocab.bpe`, as `gpt_2_simple.download_gpt2` leaves it.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from finetune.checkpoint_files import find_weights
from finetune.convert import read_gguf
from finetune.errors import BadBaseModel
from finetune.graph import Graph, Optimizer
from finetune.loop import Plan, Run, Watcher
from finetune.pretraining_text import PretrainingText, ScoredText, scored_texts
from finetune.run_folder import STATE_FOLDER, Progress, delete_weights, weight_steps
from model_server.checkpoint_format import (
    ENCODER_FILE,
    END_OF_TEXT,
    HPARAMS_FILE,
    MERGES_FILE,
    BaseModelRecord,
    CheckpointError,
    Codec,
    Manifest,
    Sizes,
    TrainingRecord,
)

TOKENIZER_FILES = (ENCODER_FILE, MERGES_FILE, HPARAMS_FILE)
PACKAGED_BASE = "demo"

VALIDATION_BATCHES = 16
"""Batches per source that are scored during a run; all of them are scored at its end."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model folder to fine-tune from, with weights as TensorFlow files or as GGUF."""

    name: str
    folder: Path
    gguf: Path | None

    def hash(self) -> str:
        """SHA-256 over sizes, tokenizer and weights."""
        digest = hashlib.sha256()
        for path in (*(self.folder / name for name in TOKENIZER_FILES), *self._weight_files()):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def _weight_files(self) -> list[Path]:
        if self.gguf:
            return [self.gguf]
        return sorted(self.folder.glob(f"{find_weights(self.folder).name}.data-*"))


def find_base(name: str, models: Path, packaged: Path) -> BaseModel:
    """The base model of this name in `models`, else the one that is shipped in `packaged`.

    Raises BadBaseModel if there is none, or a file of it is missing.
    """
    folder = models / name
    if not folder.is_dir() and name == PACKAGED_BASE and packaged.is_dir():
        folder = packaged
    if not folder.is_dir():
        known = sorted(p.parent.name for p in models.glob(f"*/{HPARAMS_FILE}"))
        raise BadBaseModel(
            f"There is no base model {name!r} in {models}; there is "
            f"{', '.join([*known, PACKAGED_BASE])}, or make one with: botconvo base scratch TEXT "
            f"--name {name}"
        )
    for file in TOKENIZER_FILES:
        if not (folder / file).is_file():
            raise BadBaseModel(f"{folder / file} is missing, so {name!r} is no whole base model.")
    try:
        find_weights(folder)
    except CheckpointError as error:
        for path in sorted(folder.glob("*.gguf")):
            return BaseModel(name, folder, path)
        raise BadBaseModel(
            f"{error} If its download or training is unfinished, the same base command goes on "
            "with it."
        ) from error
    return BaseModel(name, folder, None)


def load_weights(graph: Graph, base: BaseModel) -> None:
    """Puts the base model's weights into the graph."""
    if base.gguf:
        graph.set_weights(read_gguf(base.gguf, Sizes.read(base.folder)))
    else:
        graph.restore_weights(find_weights(base.folder))


def train_tokenizer(texts: Iterable[str], vocabulary: int, folder: Path) -> Codec:
    """Learns a byte-level BPE of `vocabulary` entries, the last being the end-of-text token,
    and writes it as gpt-2-simple's `encoder.json` and `vocab.bpe`."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=vocabulary - 1,
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    entries = {**model["vocab"], END_OF_TEXT: len(model["vocab"])}
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENCODER_FILE).write_text(json.dumps(entries), encoding="utf-8")
    rows = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / MERGES_FILE).write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    return Codec.read(folder)


def bits_per_byte(
    graph: Graph, texts: list[ScoredText], at_most: int | None = None
) -> dict[str, float]:
    """Held-out bits per byte of each source, and of all bytes together under 'all'."""
    result: dict[str, float] = {}
    nats_of_all = bytes_of_all = 0.0
    for text in texts:
        batches = text.batches[:at_most]
        nats = sum(float(graph.losses(*batch).sum()) for batch in batches)
        text_bytes = text.text_bytes * sum(float(w.sum()) for _, w in batches)
        text_bytes /= sum(float(w.sum()) for _, w in text.batches)
        result[text.source] = nats / math.log(2) / text_bytes
        nats_of_all += nats
        bytes_of_all += text_bytes
    result["all"] = nats_of_all / math.log(2) / bytes_of_all
    return result


def train_from_scratch(
    folder: Path,
    text: PretrainingText,
    sizes: Sizes,
    plan: Plan,
    watcher: Watcher,
    *,
    rows: int = 16,
    optimizer: Optimizer = "muon",
    seed: int = 0,
    threads: int = 0,
) -> tuple[Progress, dict[str, float]]:
    """Trains tokenizer and model; a second call goes on where the first was stopped.

    Returns where the run stands and, if it finished, held-out bits per byte by source.
    """
    if (folder / ENCODER_FILE).exists() and (folder / MERGES_FILE).exists():
        codec = Codec.read(folder)
    else:
        codec = train_tokenizer(text.texts(epoch=0), sizes.n_vocab, folder)
    sizes = Sizes(len(codec), sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer)
    sizes.write(folder)
    graph = Graph(
        sizes, window=sizes.n_ctx, rows=rows, optimizer=optimizer, seed=seed, threads=threads
    )
    held_out = scored_texts(text.held_out, codec, rows, sizes.n_ctx)

    def validate() -> float:
        return bits_per_byte(graph, held_out, VALIDATION_BATCHES)["all"]

    run = Run(
        folder,
        graph,
        plan,
        lambda used: text.batches(codec, rows, sizes.n_ctx, used),
        validate if held_out else None,
    )
    progress = run.train(watcher)
    scores: dict[str, float] = {}
    if progress.finished:
        scores = bits_per_byte(graph, held_out) if held_out else {}
        _finish(folder, graph, progress, scores, rows * sizes.n_ctx)
    graph.close()
    return progress, scores


def _finish(
    folder: Path, graph: Graph, progress: Progress, scores: dict[str, float], tokens_per_step: int
) -> None:
    graph.save_weights(folder / "model.ckpt")
    for step in weight_steps(folder):
        delete_weights(folder, step)
    shutil.rmtree(folder / STATE_FOLDER)
    Manifest(
        style="dialogue",
        prompt_prefix="",
        stop="\n",
        end_of_text="token",
        base=BaseModelRecord(name=folder.name),
        step=progress.step,
        trained_on=TrainingRecord(tokens=progress.step * tokens_per_step),
        bits_per_byte={source: round(value, 4) for source, value in scores.items()},
    ).write(folder)
