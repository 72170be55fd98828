"""Training a base model from scratch: tokenizer and weights, in gpt-2-simple's form.

Decides what is learnt and when it is done; the loop, the graph and the text are other modules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from finetune.bases.base_models import already_there, write_tokenizer
from finetune.bases.pretraining_text import PretrainingText, ScoredText, scored_texts
from finetune.errors import FinetuneError
from finetune.training.disk import require_room
from finetune.training.graph import Graph
from finetune.training.loop import Plan, Run, Watcher
from finetune.training.optimizers import Optimizer
from finetune.training.run_folder import (
    LOCK_FILE,
    PROGRESS_FILE,
    STATE_FOLDER,
    Progress,
    delete_weights,
    locked,
    run_to_go_on,
    weight_steps,
)
from model_server.checkpoint_format import (
    END_OF_TEXT,
    MANIFEST_FILE,
    BaseModelRecord,
    Codec,
    Manifest,
    Sizes,
    TrainingRecord,
)

VALIDATION_BATCHES = 16
"""Batches per source that are scored during a run; all of them are scored at its end."""
FEWEST_TOKENS = 257
"""One for every byte, and the end of text."""
SMALLEST_WINDOW = 16
ANOTHER_MODEL = "give another name with --name, or delete that folder"


def _tokenizer(text: PretrainingText, vocabulary: int, folder: Path) -> Codec:
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
    tokenizer.train_from_iterator(text.texts(epoch=0), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    entries = {**model["vocab"], END_OF_TEXT: len(model["vocab"])}
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(entries, merges, folder)
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

    Returns where the run stands and, if it finished, held-out bits per byte by source. Raises
    FinetuneError (sizes that make no model, a folder with another model, no room), TrainingBroke.
    """
    _require_sense(sizes)
    if folder.exists() and not _holds_a_run(folder):
        raise already_there(folder)
    require_room(folder, sizes, plan.keep)
    with locked(folder):
        identity = _identity(sizes, text, optimizer, seed)
        before = run_to_go_on(folder, identity, ANOTHER_MODEL)
        codec = Codec.read(folder) if before else _tokenizer(text, sizes.n_vocab, folder)
        sizes = replace(sizes, n_vocab=len(codec))  # a short text has fewer words than asked for
        sizes.write(folder)
        graph = Graph(
            sizes, window=sizes.n_ctx, rows=rows, optimizer=optimizer, seed=seed, threads=threads
        )
        try:
            held_out = scored_texts(text.held_out, codec, rows, sizes.n_ctx)
            run = Run(
                folder,
                graph,
                plan,
                lambda used: text.batches(codec, rows, sizes.n_ctx, used),
                _validation(graph, held_out) if held_out else None,
                settings=identity,
            )
            return _trained(run, held_out, rows * sizes.n_ctx, watcher)
        finally:
            graph.close()


def _identity(
    sizes: Sizes, text: PretrainingText, optimizer: Optimizer, seed: int
) -> dict[str, int | str]:
    """What makes two runs the same one."""
    return {
        "vocabulary": sizes.n_vocab, "window": sizes.n_ctx, "width": sizes.n_embd,
        "heads": sizes.n_head, "layers": sizes.n_layer, "optimizer": optimizer, "seed": seed,
        "text": text.digest(),
    }  # fmt: skip


def _validation(graph: Graph, held_out: list[ScoredText]) -> Callable[[], float]:
    return lambda: bits_per_byte(graph, held_out, VALIDATION_BATCHES)["all"]


def _trained(
    run: Run, held_out: list[ScoredText], tokens_per_step: int, watcher: Watcher
) -> tuple[Progress, dict[str, float]]:
    progress = run.train(watcher)
    if not progress.finished:
        return progress, {}
    scores = bits_per_byte(run.graph, held_out) if held_out else {}
    with run.saving(progress):
        _finish(run.folder, run.graph, progress, scores, tokens_per_step)
    return progress, scores


def _require_sense(sizes: Sizes) -> None:
    """Raises FinetuneError for sizes that no GPT-2 has."""
    if sizes.n_vocab < FEWEST_TOKENS:
        raise FinetuneError(
            f"--vocabulary {sizes.n_vocab}: it needs {FEWEST_TOKENS} entries at least, one for "
            "every byte and the end of text."
        )
    if sizes.n_embd % sizes.n_head:
        raise FinetuneError(
            f"--width {sizes.n_embd} is no multiple of --heads {sizes.n_head}; change one of them."
        )
    if sizes.n_ctx < SMALLEST_WINDOW:
        raise FinetuneError(
            f"--window {sizes.n_ctx}: no line fits; take {SMALLEST_WINDOW} tokens at least."
        )


def _holds_a_run(folder: Path) -> bool:
    """Whether training has begun here and is not over; at its end the manifest is written before
    the state goes."""
    state = folder / STATE_FOLDER
    is_whole = (folder / MANIFEST_FILE).exists()
    return (state / PROGRESS_FILE).exists() or (state.is_dir() and not is_whole)


def _finish(
    folder: Path, graph: Graph, progress: Progress, scores: dict[str, float], tokens_per_step: int
) -> None:
    """The base model in its last form. Ends in an order in which a kill at any moment leaves a
    run that goes on, or a whole model."""
    graph.save_weights(folder / "model.ckpt")
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
    (folder / STATE_FOLDER / PROGRESS_FILE).unlink(missing_ok=True)
    for step in weight_steps(folder):
        delete_weights(folder, step)
    for path in (folder / STATE_FOLDER).iterdir():
        if path.name != LOCK_FILE:  # which is held until we leave
            path.unlink()
