"""The base models that are there, in gpt-2-simple's own model-folder form.

A base model is a folder `models/NAME` with `checkpoint`, `encoder.json`, `hparams.json`,
`model.ckpt.*` and `vocab.bpe`, as `gpt_2_simple.download_gpt2` leaves it. Where one comes from,
download.py, hugging_face.py and scratch.py know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.bases.checkpoint_files import find_weights
from finetune.bases.openai_models import DOWNLOADS
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import (
    ENCODER_FILE,
    HPARAMS_FILE,
    MERGES_FILE,
    CheckpointError,
    Sizes,
)

if TYPE_CHECKING:
    from finetune.training.graph import Graph

TOKENIZER_FILES = (ENCODER_FILE, MERGES_FILE, HPARAMS_FILE)
PACKAGED_BASE = "demo"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model folder to fine-tune from, with weights as TensorFlow files or as GGUF."""

    name: str
    folder: Path
    gguf: Path | None

    def hash(self) -> str:
        """SHA-256 over sizes, tokenizer and weights."""
        return hash_of(self.folder, self.gguf or find_weights(self.folder))


def find_base(name: str, models: Path, packaged: Path) -> BaseModel:
    """The base model of this name in `models`, else the one that is shipped in `packaged`.

    Raises BadBaseModel if there is none, or a file of it is missing.
    """
    folder = models / name
    if not folder.is_dir() and name == PACKAGED_BASE and packaged.is_dir():
        folder = packaged
    if not folder.is_dir():
        known = sorted(p.parent.name for p in models.glob(f"*/{HPARAMS_FILE}"))
        way = (
            f"fetch it with: botconvo base download {name}"
            if name in DOWNLOADS
            else f"there is {', '.join(sorted({*known, PACKAGED_BASE}))}, and for more: "
            "botconvo base list"
        )
        raise BadBaseModel(f"There is no base model {name!r} in {models}; {way}")
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


def hash_of(folder: Path, weights: Path) -> str:
    """SHA-256 over sizes, tokenizer and weights: a GGUF file, or the prefix of TensorFlow's."""
    found = [weights] if weights.is_file() else sorted(folder.glob(f"{weights.name}.data-*"))
    digest = hashlib.sha256()
    for path in (*(folder / name for name in TOKENIZER_FILES), *found):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_weights(graph: Graph, base: BaseModel) -> None:
    """Puts the base model's weights into the graph."""
    if base.gguf:
        from finetune.convert import read_gguf

        graph.set_weights(read_gguf(base.gguf, Sizes.read(base.folder)))
    else:
        graph.restore_weights(find_weights(base.folder))


def write_tokenizer(
    vocabulary: dict[str, int], merges: Iterable[Sequence[str]], folder: Path
) -> None:
    """Writes tokens with their ids, and pairs of them, as `encoder.json` and `vocab.bpe`."""
    (folder / ENCODER_FILE).write_text(json.dumps(vocabulary), encoding="utf-8")
    rows = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / MERGES_FILE).write_text("\n".join(rows), encoding="utf-8", newline="\n")


def folder_for(name: str, models: Path) -> Path:
    """Where a base model of this name is made. Raises BadBaseModel if it cannot be a folder's."""
    if name in {"", ".", ".."} or Path(name).name != name:
        raise BadBaseModel(f"{name!r} cannot be a folder's name; give another one with --name.")
    return models / name


def already_there(folder: Path) -> BadBaseModel:
    return BadBaseModel(
        f"There is already a {folder}; give another name with --name, or delete that folder."
    )
