"""From the paths that a user names to the files that can be imported."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from finetune.errors import BadExport, NotAnExport
from finetune.importers import Importer, importer_for
from finetune.message import ReadOptions
from finetune.reading.source import FolderTree, Source, ZipTree, sources_in


@dataclass(frozen=True, slots=True)
class Found:
    """A file and the importer that recognises it."""

    source: Source
    importer: Importer


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that gave nothing, and why in one sentence."""

    path: str
    reason: str


@dataclass(slots=True)
class Collection:
    """What lies at the paths: found + set aside + other files + problems."""

    found: list[Found] = field(default_factory=list)
    set_aside: list[tuple[Found, str]] = field(default_factory=list)
    """Files whose messages another file holds better, and the format of that one."""
    other_files: int = 0
    """Files in folders and zips that are no chat export."""
    problems: list[Problem] = field(default_factory=list)

    def note(self, path: Path | str, error: OSError | BadExport) -> None:
        """Remembers what is wrong with the path."""
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"{path} cannot be read: {error.strerror or error}."
        self.problems.append(Problem(str(path), reason))


class ListedFolder(FolderTree):
    """A folder whose files are listed once; what cannot be listed is told, not passed over."""

    def __init__(self, path: Path, into: Collection) -> None:
        super().__init__(path)
        self._into = into
        self._places = sorted(self._listed())

    def places(self) -> Iterator[PurePosixPath]:
        return iter(self._places)

    def _listed(self) -> Iterator[PurePosixPath]:
        for folder, folders, names in os.walk(self.path, onerror=self._note):
            folders[:] = [name for name in folders if not name.startswith(".")]
            try:
                for path in (Path(folder, name) for name in names if not name.startswith(".")):
                    if path.is_file():
                        yield PurePosixPath(path.relative_to(self.path).as_posix())
            except OSError as error:
                # One sentence for the folder: none of its files can be looked at.
                self._into.note(folder, error)

    def _note(self, error: OSError) -> None:
        self._into.note(error.filename, error)


def collect(paths: Sequence[Path], options: ReadOptions) -> Collection:
    """All exports at the paths, each file once; files, folders and zips may be mixed."""
    collection = Collection()
    seen: dict[str, bool] = {}
    for path in paths:
        others, problems = collection.other_files, len(collection.problems)
        if not _look(path, options, collection, seen) and len(collection.problems) == problems:
            looked = collection.other_files - others
            collection.problems.append(Problem(str(path), _nothing(path, looked)))
    _set_aside(collection)
    return collection


def _nothing(path: Path, looked: int) -> str:
    if looked:
        return (
            f"{path} holds {looked} files and none is a chat export that BotConvo knows; name the "
            "folder or zip that your chat program made."
        )
    return f"{path} is an empty folder; name the one that your chat program made."


def _look(path: Path, options: ReadOptions, into: Collection, seen: dict[str, bool]) -> bool:
    """Whether there is an export at the path."""
    try:
        if path.is_dir():
            return any([
                _look(path / source.place, options, into, seen)
                if _is_zip(path / source.place)
                else _take(source, options, into, seen)
                for source in sources_in(ListedFolder(path, into))
            ])  # fmt: skip
        if not path.exists():
            into.problems.append(Problem(str(path), f"{path}: no such file."))
        elif _is_zip(path):
            tree = ZipTree(path)
            return any([_take(source, options, into, seen) for source in sources_in(tree)])
        else:
            return _take(Source.of(path), options, into, seen)
    except (OSError, BadExport) as error:
        into.note(path, error)
    return False


def _is_zip(path: Path) -> bool:
    """By its content, or else by its name: a zip that was cut off is one, too."""
    return zipfile.is_zipfile(path) or path.suffix.casefold() == ".zip"


def _take(source: Source, options: ReadOptions, into: Collection, seen: dict[str, bool]) -> bool:
    """Whether the file is an export; it is taken once, however often it is named."""
    key = str(source.tree.path.resolve() / source.place)
    if key not in seen:
        seen[key] = _recognised(source, options, into)
    return seen[key]


def _recognised(source: Source, options: ReadOptions, into: Collection) -> bool:
    try:
        into.found.append(Found(source, importer_for(source, options)))
    except NotAnExport as error:
        if source.is_named:
            into.problems.append(Problem(str(source), str(error)))
        else:
            into.other_files += 1
        return False
    except (OSError, BadExport) as error:
        into.note(str(source), error)
        return False
    return True


def _set_aside(collection: Collection) -> None:
    """Keeps of each group of files that hold the same messages those that tell most."""
    best: dict[tuple[str, str, str], Importer] = {}
    for found in collection.found:
        key = _group(found)
        if key not in best or found.importer.rank < best[key].rank:
            best[key] = found.importer
    kept = []
    for found in collection.found:
        winner = best[_group(found)]
        if winner.rank < found.importer.rank:
            collection.set_aside.append((found, winner.name))
        else:
            kept.append(found)
    collection.found = kept


def _group(found: Found) -> tuple[str, str, str]:
    platform = found.importer.platforms[0]
    return str(found.source.tree.path), platform, found.importer.group(found.source)
