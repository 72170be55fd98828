"""Taking a person out of everything that this package keeps, with a receipt.

What others wrote about the person stays, and so does what models have learnt from
conversations in which the person took part: the receipt names those models.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetune.corpus import Corpus
from finetune.dataset_files import datasets_with
from finetune.people import Forgotten, forget
from model_server.checkpoint_format import CheckpointError, Manifest

EVERYBODY = "everybody"


@dataclass(slots=True)
class Receipt:
    """What was removed, and what is left that the user should know of."""

    person: str
    accounts: int = 0
    messages: int = 0
    removed: list[str] = field(default_factory=list)
    """Files and folders that are gone."""
    learnt_from: list[str] = field(default_factory=list)
    """Checkpoints of others that have seen the person's lines."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def sentences(self) -> list[str]:
        """The receipt in words."""
        lines = [
            f"{self.person}: {self.messages} messages of {self.accounts} accounts left the corpus; "
            "later imports will leave them out."
        ]
        lines += [f"Removed: {path}" for path in self.removed]
        lines += [
            f"{folder} has learnt from conversations with {self.person}; train it again to be "
            "rid of that, or remove the folder."
            for folder in self.learnt_from
        ]
        lines.append("What others wrote about them stays, and so do your export files.")
        return lines


def forget_person(
    corpus_file: Path,
    name: str,
    checkpoints: Path,
    models: Path,
    datasets: Path,
    folder_name: Callable[[str], str],
) -> Receipt:
    """Removes the person from corpus, datasets, checkpoints and pooled models. Raises
    NoSuchFriend."""
    with Corpus.open(corpus_file) as corpus:
        gone: Forgotten = forget(corpus, name)
    receipt = Receipt(gone.person, gone.accounts, gone.messages)
    # A pooled model has learnt to say the person's own words, so it goes as well.
    for folder in (checkpoints / folder_name(gone.person), models / EVERYBODY):
        if folder.is_dir() and _has_learnt(folder, gone.person, strictly=folder.parent == models):
            shutil.rmtree(folder)
            receipt.removed.append(str(folder))
    for folder in list(datasets_with(datasets, gone.person)):
        shutil.rmtree(folder)
        receipt.removed.append(str(folder))
    for folder in sorted(p for p in checkpoints.glob("*") if p.is_dir()):
        if _has_learnt(folder, gone.person, strictly=True):
            receipt.learnt_from.append(str(folder))
    return receipt


def _has_learnt(folder: Path, person: str, *, strictly: bool) -> bool:
    """Whether the manifest names the person among the speakers of the training text; without a
    readable manifest, only if not `strictly`."""
    try:
        manifest = Manifest.read(folder)
    except CheckpointError:
        return not strictly
    names = [manifest.friend, manifest.speaker, *manifest.known_speakers]
    return person in names or not strictly
