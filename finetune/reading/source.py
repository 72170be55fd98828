"""Files of an export, whether they lie in a folder or in a zip.

Knows nothing of formats. Nothing is ever unpacked: members of a zip are read as streams, so
a name that points out of the zip can do no harm, and is refused all the same.
"""

from __future__ import annotations

import codecs
import io
import mimetypes
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Protocol, TextIO

from finetune.errors import BadExport, BrokenOff

HEAD_BYTES = 65_536
"""So much of a file decides about its format."""
ENCODING = "utf-8-sig"
ASCII_AMONG = 1000
"""So many ASCII characters say as much about an encoding as one good one beyond."""
DAMAGED_AMONG = 20
"""One broken character among so many good ones that are no ASCII is damage, not an encoding."""
BOMB_RATIO = 300
"""Chat compresses 5 to 40 times; deflate itself ends at 1,032."""
BOMB_BYTES = 100_000_000
"""Below this a member may compress as well as it likes."""
NO_CHAT = ("image/", "video/", "audio/", "font/", "text/css", "text/javascript")
"""Kinds of file that lie in exports in thousands and are not worth a look."""
ASSETS = "_Files"
"""Folders in which DiscordChatExporter puts what people attached, other chats' exports among it."""


class Tree(Protocol):
    """A folder or a zip."""

    path: Path

    def places(self) -> Iterator[PurePosixPath]:
        """All files, in the order of their names."""
        ...

    def open(self, place: PurePosixPath) -> BinaryIO:
        """The bytes of a file. Raises OSError or BadExport."""
        ...

    def find(self, place: PurePosixPath) -> PurePosixPath | None:
        """The file of this name in any case, if there is one."""
        ...


class FolderTree:
    """Files in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def places(self) -> Iterator[PurePosixPath]:
        for path in sorted(self.path.rglob("*")):
            place = path.relative_to(self.path)
            if not any(part.startswith(".") for part in place.parts) and path.is_file():
                yield PurePosixPath(place.as_posix())

    def open(self, place: PurePosixPath) -> BinaryIO:
        return (self.path / place).open("rb")

    def find(self, place: PurePosixPath) -> PurePosixPath | None:
        found = self.path
        for part in place.parts:
            if part == ".." or (found / part).exists():
                found = found / part
                continue
            try:
                names = [p.name for p in found.iterdir()]
            except OSError:
                return None
            same = [name for name in names if name.casefold() == part.casefold()]
            if not same:
                return None
            found = found / same[0]
        return PurePosixPath(found.relative_to(self.path).as_posix()) if found.is_file() else None


class ZipTree:
    """Files in a zip. Raises BadExport if it is damaged, locked, or not what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise BadExport(f"{path} is a damaged zip; fetch it once more.") from error
        self._members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            if not member.is_dir():
                self._check(member)
                self._members[PurePosixPath(member.filename)] = member

    def _check(self, member: zipfile.ZipInfo) -> None:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if member.flag_bits & 1:
            raise BadExport(
                f"{self.path} is locked with a password; unpack it and import the folder."
            )
        if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
            raise BadExport(
                f"{self.path} holds a file that would be unpacked outside of its folder "
                f"({member.filename!r}); no chat export does, so it is not read."
            )
        size, packed = member.file_size, max(1, member.compress_size)
        if size > BOMB_BYTES and size / packed > BOMB_RATIO:
            raise BadExport(
                f"{self.path} would swell to {size / 1e9:.1f} GB ({member.filename!r}); no chat "
                "export does, so it is not read."
            )

    def places(self) -> Iterator[PurePosixPath]:
        for place in sorted(self._members):
            if place.parts[0] != "__MACOSX" and not place.name.startswith("."):
                yield place

    def open(self, place: PurePosixPath) -> BinaryIO:
        try:
            return io.BufferedReader(_Member(self._zip.open(self._members[place]), self.path))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise BadExport(f"{self.path} is damaged at {place}: {error}.") from error

    def find(self, place: PurePosixPath) -> PurePosixPath | None:
        wanted = posixpath.normpath(place.as_posix())
        if PurePosixPath(wanted) in self._members:
            return PurePosixPath(wanted)
        return self._by_casefold.get(wanted.casefold())

    @cached_property
    def _by_casefold(self) -> dict[str, PurePosixPath]:
        return {place.as_posix().casefold(): place for place in self._members}


class _Member(io.RawIOBase):
    """A stream of one member that speaks of damage as BadExport."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # WriteableBuffer is private
        try:
            data = self._stream.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadExport(f"{self._path} is damaged; fetch it once more.") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Recoded(io.RawIOBase):
    """UTF-8 bytes of a file in UTF-16."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # WriteableBuffer is private
        while not self._ready:
            data = self._file.read(HEAD_BYTES)
            self._ready = self._decoder.decode(data, not data).encode("utf-8", "replace")
            if not data:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Source:
    """One file of an export."""

    tree: Tree
    place: PurePosixPath
    is_named: bool = False
    """Whether the user named this very file, and not a folder or zip that holds it."""

    @classmethod
    def of(cls, path: Path) -> Source:
        """The source of a single file on disk; what lies beside it can be found, too."""
        return cls(FolderTree(path.parent), PurePosixPath(path.name), is_named=True)

    def __str__(self) -> str:
        return str(self.tree.path / self.place)

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def stem(self) -> str:
        return self.place.stem

    @property
    def folder(self) -> PurePosixPath:
        """Where the file lies in its tree."""
        return self.place.parent

    def open(self) -> BinaryIO:
        """The file's bytes; those of UTF-16, with its mark, as UTF-8."""
        file = self.tree.open(self.place)
        start = file.read(2)
        file.close()
        file = self.tree.open(self.place)
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return io.BufferedReader(_Recoded(file))
        return file

    def beside(self, relative: str) -> Source | None:
        """Another file, by its path relative to this one's folder (`../index.json`)."""
        place = PurePosixPath(posixpath.normpath((self.folder / relative).as_posix()))
        found = self.tree.find(place)
        return Source(self.tree, found) if found is not None else None

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    def tail(self, size: int) -> bytes:
        """The last bytes. The whole file is read for them, as members of zips cannot be skipped."""
        last = b""
        with self.open() as file:
            while chunk := file.read(HEAD_BYTES):
                last = (last + chunk)[-size:]
        return last

    @property
    def begins_as_object(self) -> bool:
        """Whether the first sign is that of a JSON object."""
        return self.head.lstrip(codecs.BOM_UTF8 + b" \r\n\t")[:1] == b"{"

    @cached_property
    def head_text(self) -> str:
        """The first bytes as text, whatever they are; a character cut at the end is left out."""
        decoder = codecs.getincrementaldecoder(ENCODING)("replace")
        return decoder.decode(self.head).replace("\0", "\N{REPLACEMENT CHARACTER}")

    @cached_property
    def is_text(self) -> bool:
        """Whether the first bytes are UTF-8; a few that are damaged do not count, as long as it is
        clear that they are damage and not another encoding."""
        text = self.head_text
        damaged = text.count("\N{REPLACEMENT CHARACTER}")
        whole = sum(not character.isascii() for character in text) - damaged
        # Every program writes JSON and pages as UTF-8.
        if text.lstrip()[:1] in ("{", "[", "<"):
            whole = len(text)
        whole += len(text) // ASCII_AMONG
        return damaged * DAMAGED_AMONG <= whole

    @contextmanager
    def open_text(self) -> Iterator[TextIO]:
        """The whole file as text, line ends as they are; broken bytes become U+FFFD."""
        with (
            self.open() as file,
            io.TextIOWrapper(file, ENCODING, errors="replace", newline="") as text,
        ):
            yield text

    def broken_off(self, after: str, again: str = "export the chat once more") -> BrokenOff:
        """What to raise where the file ends too early: `after` is the last good record."""
        return BrokenOff(
            f"{self} is broken or cut off after {after}; what comes before is imported, for the "
            f"rest {again}.",
            f"after {after}",
        )


def with_line_feeds(text: str) -> str:
    """The text with U+000A at the end of every line, whatever stood there."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def sources_in(tree: Tree) -> Iterator[Source]:
    """The files that may hold chat: all but pictures, sound and the like."""
    for place in tree.places():
        kind, _ = mimetypes.guess_type(place.name)
        is_asset = any(part.endswith(ASSETS) for part in place.parts[:-1])
        if not is_asset and not (kind or "").startswith(NO_CHAT):
            yield Source(tree, place)
