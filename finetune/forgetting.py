"""Taking a person out of everything that this package keeps, with a receipt.

Folders go first and the corpus last: until the end it knows all names of the person, so a call
that failed half-way can simply be made again. What others wrote about the person stays, and so
does what models have learnt from conversations in which the person took part: the receipt names
those models.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetune.corpus import Corpus
from finetune.corpus_file import copies_of
from finetune.dataset import EVERYBODY
from finetune.dataset_files import INDEX_FILE, people_of_datasets
from finetune.errors import FinetuneError, NoSuchFriend
from finetune.folder_names import folder_name
from finetune.people import forget, names_of, person_called
from finetune.training.run_folder import LOGS_FOLDER, STATE_FOLDER
from model_server.checkpoint_format import HPARAMS_FILE, MANIFEST_FILE, CheckpointError, Manifest

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a person's words may be."""

    corpus: Path
    checkpoints: Path
    models: Path
    datasets: Path

    @property
    def evaluation(self) -> Path:
        """Where `evaluate` writes unless it is told otherwise, beside the datasets."""
        return self.datasets.parent / "evaluation"


@dataclass(frozen=True, slots=True)
class Names:
    """What a person is and was called. Of those names, `shared` ones are or were somebody
    else's too, so nothing is removed on their account."""

    shown: str
    own: tuple[str, ...]
    shared: tuple[str, ...] = ()

    def own_among(self, names: Iterable[str]) -> list[str]:
        return _common(names, self.own)

    def shared_among(self, names: Iterable[str]) -> list[str]:
        return _common(names, self.shared)


@dataclass(frozen=True, slots=True)
class Unclear:
    """A folder that was left although it may hold the person's words, and why so."""

    path: str
    why: str


@dataclass(slots=True)
class Receipt:
    """What was removed, and what is left that the user should know of."""

    person: str
    names: list[str]
    """Under which the person was looked for."""
    accounts: int = 0
    messages: int = 0
    removed: list[str] = field(default_factory=list)
    """Folders that are gone."""
    learnt_from: list[str] = field(default_factory=list)
    """Checkpoints of others that have seen the person's lines."""
    unclear: list[Unclear] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def sentences(self, *, dry_run: bool = False) -> list[str]:
        """The receipt in words."""
        left, removed = ("would leave", "To be removed") if dry_run else ("left", "Removed")
        later = (
            "later imports leave them out"
            if self.accounts
            else "a later import could still bring them in"
        )
        return [
            f"{self.person}: {self.messages} messages of {self.accounts} accounts {left} the "
            f"corpus; {later}.",
            *(f"{removed}: {path}" for path in self.removed),
            *(
                f"{folder} has learnt from conversations with {self.person}; train it again to be "
                "rid of that, or remove the folder."
                for folder in self.learnt_from
            ),
            *(
                f"{kept.path} is left: {kept.why}; remove it if it holds words of {self.person}."
                for kept in self.unclear
            ),
            "What others wrote about them stays, and so do files that you exported or wrote "
            "elsewhere.",
        ]


def forget_person(
    places: Places,
    name: str,
    *,
    dry_run: bool = False,
    missing_ok: bool = False,
) -> Receipt:
    """Removes the person from datasets, checkpoints, pooled model and corpus, of which older copies
    go whole; with `dry_run`, only says what would be removed. Raises NoSuchFriend (unless
    `missing_ok`) if nothing names the person, FinetuneError if a folder cannot be read or removed.
    """
    opened: AbstractContextManager[Corpus | None] = (
        Corpus.open(places.corpus) if places.corpus.is_file() else nullcontext()
    )
    with opened as corpus:
        names, missing = _names(corpus, name, places.corpus)
        receipt = Receipt(names.shown, list(names.own))
        with _mendable("read"):
            _search(receipt, names, places, {folder_name(own) for own in names.own})
        if missing and not (missing_ok or receipt.removed or receipt.learnt_from):
            raise missing
        receipt.removed += _quoting(receipt, places)
        for folder in () if dry_run else receipt.removed:
            with _mendable("removed"):
                _remove(Path(folder))
        if corpus and not missing:
            receipt.accounts, receipt.messages = _forget_in(corpus, name, dry_run)
            for copy in copies_of(places.corpus):
                with _mendable("removed"):
                    receipt.removed.append(str(copy))
                    if not dry_run:
                        copy.unlink()
    return receipt


@contextmanager
def _mendable(done: str) -> Iterator[None]:
    """Has an OSError say what to do: nothing is lost by calling again."""
    try:
        yield
    except OSError as error:
        raise FinetuneError(
            f"{error.filename} cannot be {done} ({error.strerror}); mend its permissions and call "
            "forget again, which does the rest."
        ) from error


def _forget_in(corpus: Corpus, name: str, dry_run: bool) -> tuple[int, int]:
    """How many accounts and messages leave the corpus, or would."""
    if not dry_run:
        gone = forget(corpus, name)
        return gone.accounts, gone.messages
    persons, shown = corpus.person_names(), person_called(corpus, name)
    accounts = [id_ for id_, person in persons.items() if person == shown]
    count = "SELECT COUNT(*) FROM messages WHERE account = ?"
    return len(accounts), sum(
        corpus.database.execute(count, (id_,)).fetchone()[0] for id_ in accounts
    )


# --- names --------------------------------------------------------------------------------


def _names(corpus: Corpus | None, name: str, path: Path) -> tuple[Names, NoSuchFriend | None]:
    """The person's names; for a stranger to the corpus, the one given, and the complaint."""
    if corpus is None:
        nobody = f"Nobody called {name!r} is known: there is no corpus at {path}, nor does any"
        return Names(name, (name,)), NoSuchFriend(f"{nobody} checkpoint or dataset have that name.")
    called = _called(corpus)
    try:
        known = names_of(corpus, name)
    except NoSuchFriend as error:
        if holders := [who for who, names in called.items() if _common([name], names)]:
            raise NoSuchFriend(
                f"Nobody is called {name!r} now, but {' or '.join(holders)} has or had that name; "
                "forget them by the name that they have now."
            ) from error
        return Names(name, (name,)), error
    shown = person_called(corpus, name)
    others = [n for who, names in called.items() if who != shown for n in (who, *names)]
    everyone = list(dict.fromkeys([shown, *known, *called[shown]]))
    # Others may have had the name in use as well, but only one person at a time answers to it.
    shared = [n for n in _common(everyone, others) if n.casefold() != shown.casefold()]
    return Names(shown, tuple(n for n in everyone if n not in shared), tuple(shared)), None


def _called(corpus: Corpus) -> dict[str, list[str]]:
    """By person, the names that they may have had in the corpus: those of their accounts, and
    those that `Corpus.person_names` makes of them to tell namesakes apart, merged or not."""
    persons = corpus.person_names()
    rows = corpus.database.execute(
        "SELECT id, platform, given_name, shown_name FROM accounts"
    ).fetchall()
    bearers = Counter(n.casefold() for row in rows for n in {*row[2:]} if n)
    called: dict[str, list[str]] = defaultdict(list)
    for id_, platform, *names in rows:
        for name in filter(None, names):
            made = [
                f" ({platform}{f' {n}' if n > 1 else ''})"
                for n in range(1, bearers[name.casefold()])
            ]
            called[persons[id_]] += [name, *(name + suffix for suffix in made)]
    return called


def _common(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those of `names` that are also among `others`, in whatever case."""
    folded = {other.casefold() for other in others}
    return [name for name in names if name.casefold() in folded]


# --- folders ------------------------------------------------------------------------------


def _search(receipt: Receipt, names: Names, places: Places, own_folders: set[str]) -> None:
    """Fills the receipt with all folders that hold the person's words, or have learnt from them."""
    for folder in _folders(places.checkpoints):
        manifest = _manifest(folder)
        if manifest:
            friend = [name for name in (manifest.friend, manifest.speaker) if name]
            _sort(receipt, names, folder, friend, manifest.known_speakers)
        elif folder.name in own_folders:
            receipt.removed.append(str(folder))
        else:
            _cannot_be_told(receipt, folder, HPARAMS_FILE, MANIFEST_FILE)
    pool = places.models / EVERYBODY
    if manifest := _manifest(pool):
        # It has learnt to say the person's own words, so it goes as a whole.
        _sort(receipt, names, pool, manifest.known_speakers)
    else:
        _cannot_be_told(receipt, pool, HPARAMS_FILE, MANIFEST_FILE)
    for folder, people in people_of_datasets(places.datasets):
        if people is None:
            _cannot_be_told(receipt, folder, "*", INDEX_FILE)
        else:
            _sort(receipt, names, folder, people)


def _quoting(receipt: Receipt, places: Places) -> Iterator[str]:
    """What quotes the talk of everybody and can be made again: sample lines of training, and the
    pages of `evaluate`."""
    for learner in receipt.learnt_from:
        logs = Path(learner) / STATE_FOLDER / LOGS_FOLDER
        if logs.is_dir():
            yield str(logs)
    if (places.evaluation / EVALUATION_FILE).is_file():
        yield str(places.evaluation)


def _sort(
    receipt: Receipt, names: Names, folder: Path, said_by: Iterable[str], heard: Iterable[str] = ()
) -> None:
    """Puts a folder where it belongs by whose words it says, and whose it has only heard."""
    for people, where in ((said_by, receipt.removed), (heard, receipt.learnt_from)):
        if names.own_among(people):
            where.append(str(folder))
            return
        if shared := names.shared_among(people):
            why = f"it names {shared[0]}, as somebody else is or was called too"
            receipt.unclear.append(Unclear(str(folder), why))
            return


def _cannot_be_told(receipt: Receipt, folder: Path, pattern: str, index: str) -> None:
    """Mentions a folder that has files of this pattern, but none that says whose words they are."""
    if any(folder.glob(pattern)):
        receipt.unclear.append(Unclear(str(folder), f"it has no {index} that can be read"))


def _manifest(folder: Path) -> Manifest | None:
    """A manifest that says whose model this is. An unfinished run has none."""
    try:
        manifest = Manifest.read(folder)
    except CheckpointError:
        return None
    return manifest if manifest.friend or manifest.speaker or manifest.known_speakers else None


def _folders(parent: Path) -> Iterator[Path]:
    return (path for path in sorted(parent.glob("*")) if path.is_dir())


def _remove(folder: Path) -> None:
    """Removes a folder, and what it links to if it is a link. Raises OSError, which names it."""
    target = folder.resolve()
    try:
        _empty_and_remove(target)
    except OSError as error:
        error.filename = str(folder)  # shutil.rmtree may give a bare name
        raise
    if folder.is_symlink():
        folder.unlink()


def _empty_and_remove(target: Path) -> None:
    """What names the person goes last, so that a folder of which a part is left is found again."""
    for path in target.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (MANIFEST_FILE, INDEX_FILE):
            path.unlink()
    shutil.rmtree(target)
