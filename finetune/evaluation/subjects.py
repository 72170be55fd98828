"""Which checkpoints are evaluated, and on which messages.

Knows folders and manifests, and imports nothing heavy, so that mistakes are told at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from finetune.dataset import MINIMUM_MESSAGES, CleanCorpus, Session, divided_at
from finetune.errors import FinetuneError
from finetune.folder_names import folder_name
from finetune.wording import as_arguments
from model_server.checkpoint_format import MANIFEST_FILE, CheckpointError, Manifest


@dataclass(frozen=True, slots=True)
class Subject:
    """A friend's checkpoint. `friend` is the name in the corpus."""

    friend: str
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Missing:
    """Somebody who cannot be evaluated, and why."""

    name: str
    reason: str


def find_subjects(
    corpus: CleanCorpus, folder: Path, names: Sequence[str]
) -> tuple[list[Subject], list[Missing]]:
    """The checkpoints of the friends named, or of all who wrote enough for one, those who wrote
    most first, and who of them has none.

    Raises NoSuchFriend, CheckpointError, and FinetuneError if there is no checkpoint at all.
    """
    people = [friend.name for friend in corpus.friends()]
    trainable = [friend.name for friend in corpus.friends() if friend.lines >= MINIMUM_MESSAGES]
    wanted = [corpus.friend(name).name for name in names] or trainable
    found: list[Subject] = []
    missing: list[Missing] = []
    for name in dict.fromkeys(wanted):
        place = folder / folder_name(name)
        if not (place / MANIFEST_FILE).is_file():
            missing.append(Missing(name, f"{place} is no finished checkpoint"))
            continue
        found.append(Subject(name, place, Manifest.read(place)))
    if not found:
        of_whom = ", ".join(names) or "anybody in the corpus"
        raise FinetuneError(
            f"{folder} has no finished checkpoint of {of_whom}; make one with: botconvo train "
            f"{as_arguments(*names) if names else '--all'}"
        )
    return found, missing + ([] if names else _strangers(folder, people))


def _strangers(folder: Path, people: Sequence[str]) -> list[Missing]:
    """Checkpoints of friends who are not in this corpus."""
    known = {folder_name(name) for name in people}
    places = sorted(path.parent for path in folder.glob(f"*/{MANIFEST_FILE}"))
    return [
        Missing(_name_in(place), f"{place} is there, but nobody in the corpus has this name")
        for place in places
        if place.name not in known
    ]


def _name_in(place: Path) -> str:
    try:
        return Manifest.read(place).friend or place.name
    except CheckpointError:
        return place.name


@dataclass(frozen=True, slots=True)
class Material:
    """The messages, as far as any of the checkpoints has or has not seen them.

    `training`: what they learnt from. `unseen`: what none of them learnt from; of it, `test`
    is what did not choose the best weights either.
    """

    training: tuple[Session, ...]
    unseen: tuple[Session, ...]
    test: tuple[Session, ...]
    test_from: datetime
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, corpus: CleanCorpus, manifests: Sequence[tuple[str, Manifest]]) -> Self:
        """Divides the corpus as `train` does, and later if a checkpoint has seen more than that.

        `manifests`: with the name of each. Raises FinetuneError if nothing is left.
        """
        parts = corpus.parts
        cuts = {name: _cut(manifest) for name, manifest in manifests}
        remarks = [
            f"{name}'s manifest does not tell where its training text ends; it may have seen "
            "what it is tested on."
            for name, cut in cuts.items()
            if cut is None
        ]
        unseen = parts.validation + parts.test
        latest = max((cut for cut in cuts.values() if cut is not None), default=None)
        whole = cls(parts.training, unseen, parts.test, parts.test_from, tuple(remarks))
        if latest is None or latest <= parts.validation_from:
            return whole
        # Lines of files that tell no times count as old, which is safe.
        seen, left = divided_at(latest, unseen)
        late = [name for name, cut in cuts.items() if cut and cut > parts.test_from]
        whole = replace(whole, training=parts.training + seen, unseen=left)
        if not late:
            return whole
        remark = (
            f"{' and '.join(late)} learnt from messages up to {latest:%Y-%m-%d %H:%M}, which is "
            "later than the test messages of this corpus begin, so only later ones are used."
        )
        if not left:
            raise FinetuneError(
                f"{remark[:-1]}, and there are none. Name the corpus, chats and dates that they "
                "were trained with, or train them again."
            )
        return replace(whole, test=left, test_from=latest, remarks=(*remarks, remark))


def lines_of(friend: str, found: Sequence[Session]) -> list[str]:
    return [line.text for session in found for line in session if line.person == friend]


def _cut(manifest: Manifest) -> datetime | None:
    """When the messages begin that a checkpoint has not learnt from."""
    if manifest.trained_on.cut_date is None:
        return None
    try:
        cut = datetime.fromisoformat(manifest.trained_on.cut_date)
    except ValueError:
        return None
    return cut if cut.tzinfo else cut.replace(tzinfo=UTC)
