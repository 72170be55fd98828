"""The weights of a checkpoint, and the models that it is compared with: which they are and where
they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.base_models import PACKAGED_BASE, BaseModel, find_base
from finetune.errors import BadBaseModel
from finetune.evaluation.subjects import Subject
from finetune.train import EVERYBODY
from model_server.checkpoint_format import Manifest


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
