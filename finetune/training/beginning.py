"""What a run begins with: a base model, or the weights of any checkpoint folder at some step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.bases.base_models import BaseModel, hash_of, load_weights
from finetune.bases.checkpoint_files import read_checked_weights
from finetune.errors import BadBaseModel
from finetune.training.run_folder import weight_steps

if TYPE_CHECKING:
    from finetune.training.graph import Graph


@dataclass(frozen=True, slots=True)
class Beginning:
    """`folder` has tokenizer and sizes; the weights are those of `base`, or the files of
    `prefix`."""

    name: str
    folder: Path
    base: BaseModel | None = None
    prefix: Path | None = None

    def hash(self) -> str:
        """SHA-256 over sizes, tokenizer and weights."""
        if self.base is not None:
            return self.base.hash()
        assert self.prefix is not None
        return hash_of(self.folder, self.prefix)

    def load(self, graph: Graph) -> None:
        """Puts the weights into the graph. Raises BadBaseModel."""
        from finetune.training.tensor_files import reading

        if self.prefix is not None:
            with reading(self.prefix):
                graph.restore_weights(self.prefix)
        elif self.base is not None:
            with reading(self.folder / "model"):
                load_weights(graph, self.base)


def from_base(base: BaseModel) -> Beginning:
    return Beginning(base.name, base.folder, base=base)


def from_folder(text: str) -> Beginning:
    """FOLDER or FOLDER:STEP, written by us or by gpt-2-simple; without a step its newest.

    Raises BadBaseModel or CheckpointError if there is none, it is damaged, or its files are of
    different models.
    """
    folder, step = _parsed(text)
    if not folder.is_dir():
        raise BadBaseModel(f"{folder}: there is no such checkpoint folder.")
    steps = sorted(weight_steps(folder))
    if step is not None and step not in steps:
        there = f"there are {', '.join(map(str, steps))}" if steps else "there are no others"
        raise BadBaseModel(f"{folder} has no weights of step {step}; {there}.")
    prefix, _ = read_checked_weights(folder, step)
    number = prefix.name.rpartition("-")[2]
    return Beginning(f"{folder.name}:{number}", folder, prefix=prefix)


def _parsed(text: str) -> tuple[Path, int | None]:
    """A drive letter's colon is none of ours."""
    folder, _, step = text.rpartition(":")
    if folder and step.isdigit() and not Path(text).exists():
        return Path(folder), int(step)
    return Path(text), None
