"""From the paths that a user names to the files that can be imported."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    fruitless: list[str] = field(default_factory=list)
    """Paths, as named, that led to no export at all."""


def collect(paths: Sequence[Path], options: ReadOptions) -> Collection:
    """All exports at the paths, each file once; files, folders and zips may be mixed."""
    collection = Collection()
    seen: dict[str, bool] = {}
    for path in paths:
        others, problems = collection.other_files, len(collection.problems)
        if not _look(path, options, collection, seen):
            collection.fruitless.append(str(path))
            if len(collection.problems) == problems:
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
                if zipfile.is_zipfile(path / source.place)
                else _take(source, options, into, seen)
                for source in sources_in(FolderTree(path))
            ])  # fmt: skip
        if not path.exists():
            into.problems.append(Problem(str(path), f"{path}: no such file."))
        elif zipfile.is_zipfile(path):
            tree = ZipTree(path)
            return any([_take(source, options, into, seen) for source in sources_in(tree)])
        else:
            return _take(Source.of(path), options, into, seen)
    except OSError as error:
        into.problems.append(Problem(str(path), f"{path} cannot be read: {error.strerror}."))
    except BadExport as error:
        into.problems.append(Problem(str(path), str(error)))
    return False


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
    except BadExport as error:
        into.problems.append(Problem(str(source), str(error)))
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
