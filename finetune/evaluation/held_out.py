"""Bits per byte of held-out messages: how surprised a model is by what a friend really wrote, the
friend's own model and those that it is compared with.

Bytes and not tokens, since models with different tokenizers must be comparable. Knows the graph
and the training examples, and nothing of files of text, pictures or servers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.bases.base_models import PACKAGED_BASE, BaseModel, find_base, load_weights
from finetune.cleaning import CleanLine
from finetune.dataset import EVERYBODY, Session
from finetune.errors import BadBaseModel
from finetune.evaluation.figures import Score
from finetune.evaluation.subjects import Subject
from finetune.training.examples import Examples, Piece, examples, pack
from finetune.training.graph import Graph
from model_server.checkpoint_format import (
    END_OF_TEXT,
    Codec,
    Line,
    Manifest,
    Sizes,
    dialogue_line,
)

TOKENS_PER_PASS = 2048
"""Of one forward pass; small enough for a laptop with any model that it can serve."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """The models that a friend's own is compared with: `base` knows nobody, `pooled` everybody.
    None where it is not there."""

    base: BaseModel | None
    pooled: BaseModel | None


def served_model(subject: Subject) -> BaseModel:
    """The weights that the show speaks with: the GGUF where there is one, else TensorFlow's."""
    record = subject.manifest.gguf
    gguf = subject.folder / record.file if record else None
    return BaseModel(subject.friend, subject.folder, gguf if gguf and gguf.is_file() else None)


def find_rivals(subject: Subject, models: Path, packaged: Path) -> Rivals:
    """The base model that training began from, and the pooled model if there is one."""
    pooled = _found(EVERYBODY, models, packaged)
    name = subject.manifest.base.name if subject.manifest.base else PACKAGED_BASE
    if name == EVERYBODY:
        # The friend went on from the pooled model; what that began from is the base.
        record = Manifest.read(pooled.folder).base if pooled else None
        name = record.name if record else PACKAGED_BASE
    return Rivals(_found(name, models, packaged), pooled)


def _found(name: str, models: Path, packaged: Path) -> BaseModel | None:
    try:
        return find_base(name, models, packaged)
    except BadBaseModel:
        return None


class Scorer:
    """Models in TensorFlow graphs, one graph for all models of the same sizes."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._sizes: Sizes | None = None
        self._graph: Graph | None = None
        self._model: BaseModel | None = None

    def score(
        self, model: BaseModel, found: Sequence[Session], friend: str, form: Manifest
    ) -> Score | None:
        """The model's score on what `friend` says in these sessions; None if that is nothing.

        `form` is the manifest whose prompt style the text is put in. Ask for one model after
        another: changing it costs seconds. Raises BadBaseModel, CheckpointError.
        """
        sizes = Sizes.read(model.folder)
        graph = self._loaded(model, sizes)
        return score(
            graph, found, friend, form, Codec.read(model.folder),
            rows=_rows(sizes), window=sizes.n_ctx,
        )  # fmt: skip

    def _loaded(self, model: BaseModel, sizes: Sizes) -> Graph:
        if self._graph is None or self._sizes != sizes:
            self.close()
            self._graph = Graph(sizes, window=sizes.n_ctx, rows=_rows(sizes), threads=self._threads)
            self._sizes = sizes
        if self._model != model:
            load_weights(self._graph, model)
            self._model = model
        return self._graph

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
        self._graph = self._sizes = self._model = None


def _rows(sizes: Sizes) -> int:
    return max(1, min(16, TOKENS_PER_PASS // sizes.n_ctx))


def score(
    graph: Graph,
    found: Sequence[Session],
    friend: str,
    form: Manifest,
    codec: Codec,
    *,
    rows: int,
    window: int,
) -> Score | None:
    """What the graph's weights score on `friend`'s lines; `rows` and `window` are the graph's.

    The sum of all losses in bits, over the bytes of the lines and one for the end of each, which
    is what training calls bits per byte, too.
    """
    kept, too_long = _fitting(found, codec, form, window)
    lines = [line for s in kept for line in s if line.person == friend and not line.repeated]
    if not lines:
        return None
    made = scored_examples(kept, friend, form, codec)
    batches = pack(made.pieces(window, None), rows, window, made.end_of_text)
    nats = sum(float(graph.losses(*batch).sum()) for batch in batches)
    scored_bytes = sum(len(line.text.encode()) + 1 for line in lines)
    mine = sum(line.person == friend for line in too_long)
    return Score(nats / math.log(2) / scored_bytes, len(lines), scored_bytes, mine)


def scored_examples(
    found: Sequence[Session], friend: str, form: Manifest, codec: Codec
) -> Examples:
    """Sessions in the form that a checkpoint with this manifest is asked in."""
    if form.style == "dialogue" or form.end_of_text == "token":
        return examples(found, codec, friend, form.style)
    prefix, end = codec.encode(form.prompt_prefix), codec.encode(form.stop or END_OF_TEXT)

    def message(line: CleanLine) -> Piece:
        """As gpt-2-simple itself trains: both markers are ordinary pieces of words."""
        ids = [*prefix, *codec.encode(line.text), *end]
        return ids, [0.0] * len(prefix) + [1.0] * (len(ids) - len(prefix))

    lines = [line for s in found for line in s if line.person == friend and not line.repeated]
    return Examples(tuple((message(line),) for line in lines), codec.end_of_text)


def _fitting(
    found: Sequence[Session], codec: Codec, form: Manifest, window: int
) -> tuple[list[Session], list[CleanLine]]:
    """The sessions, in which lines longer than a window only stand and do not count."""
    too_long: list[CleanLine] = []

    def fitting(line: CleanLine) -> CleanLine:
        if line.repeated or _length(line, codec, form) <= window - 1:
            return line
        too_long.append(line)
        return replace(line, repeated=True)

    return [tuple(map(fitting, session)) for session in found], too_long


def _length(line: CleanLine, codec: Codec, form: Manifest) -> int:
    if form.style == "dialogue":
        return len(codec.encode(dialogue_line(Line(line.person, line.text))))
    markers = form.prompt_prefix + (form.stop or END_OF_TEXT)
    return len(codec.encode(line.text)) + len(codec.encode(markers))
