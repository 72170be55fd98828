"""One file from one address: resumed, checked and whole, or not there at all.

While it is fetched it is `NAME.part`, and `NAME.part.json` says where the bytes come from.
Bytes of two sources never meet in a file, unless both announce the same hash of the whole.
Knows nothing of models.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneError

BLOCK_BYTES = 1 << 20
TRIES = 4
"""In a row that bring no new byte."""
FIRST_PAUSE_SECONDS = 1.0
"""Before the second try; each later pause is twice as long."""
TOO_MANY_REQUESTS = 429
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206
LEFT_FREE_BYTES = 100_000_000
"""So that a download does not fill a disk to the brim."""

Report = Callable[[str, int, int], None]
"""Told the file's name, the bytes that are there, and the bytes in all (-1: not announced)."""
Pause = Callable[[float], None]


class NotHere(Exception):
    """This address does not give the file; another one may. Its text is the reason."""


class _BrokenOff(Exception):
    """The transfer ended early or wrongly; the same address may do better now."""


class DiskFull(FinetuneError):
    """There is no room for the file; no other address would help."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a server says of the whole file. Hashes are hexadecimal, "" if it names none."""

    url: str
    size: int
    tag: str
    md5: str
    sha256: str

    def has_the_same_file_as(self, other: Source) -> bool:
        """A size alone is no proof; a hash is, and an address whose tag has not changed."""
        if self.size != other.size:
            return False
        for ours, theirs in ((self.sha256, other.sha256), (self.md5, other.md5)):
            if ours and theirs:
                return ours == theirs
        return self.url == other.url and self.tag == other.tag


def begun_at(path: Path) -> str:
    """The address where an unfinished file comes from, "" if there is none."""
    source = _noted(path)
    return source.url if source else ""


def fetch(
    url: str,
    path: Path,
    report: Report,
    *,
    size: int | None = None,
    stall_seconds: float,
    pause: Pause = time.sleep,
) -> None:
    """Fetches a file of `size` bytes, if that is known, and gives it its name when it is whole.

    A second call, here or from another address, goes on where the first broke off. Raises
    NotHere if the address does not give it, DiskFull if there is no room for it.
    """
    fruitless, seconds, most = 0, FIRST_PAUSE_SECONDS, _part_bytes(path)
    while True:
        try:
            _try(url, path, report, size, stall_seconds)
        except (_BrokenOff, OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise _disk_full(path, 0) from error
            reason = _reason(error)
        else:
            return
        fruitless = 0 if _part_bytes(path) > most else fruitless + 1
        most = max(most, _part_bytes(path))
        if fruitless == TRIES:
            raise NotHere(reason)
        if fruitless:
            pause(seconds)
            seconds *= 2


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers {error.code}"
    if isinstance(getattr(error, "reason", error), TimeoutError):
        return "it has stopped sending"
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _try(url: str, path: Path, report: Report, size: int | None, stall_seconds: float) -> None:
    noted, have = _noted(path), _part_bytes(path)
    if noted is None or have > noted.size >= 0:
        have = 0
    if have and noted and have == noted.size:
        _finish(path, noted, size)  # stopped after the last byte and before its check
        return
    announcement = _Announcement()
    with _open(url, have, announcement, stall_seconds) as response:
        source, begin = announcement.read(url, response)
        if size is not None and source.size not in (size, -1):
            raise NotHere(f"its file has {source.size} bytes and not {size}")
        if begin and (begin != have or noted is None or not source.has_the_same_file_as(noted)):
            _forget(path)
            raise _BrokenOff("it has another file than the one that was begun")
        _make_room(path, source.size - begin)
        if not begin:
            _forget(path)
            _note(path).write_text(json.dumps(asdict(source)), encoding="utf-8")
        _copy(response, path, begin, source.size, report)
    _finish(path, source, size)


# --- what is on disk ---------------------------------------------------------------------


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".part.json")


def _part_bytes(path: Path) -> int:
    return _part(path).stat().st_size if _part(path).is_file() else 0


def _noted(path: Path) -> Source | None:
    try:
        return Source(**json.loads(_note(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _forget(path: Path) -> None:
    _part(path).unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _make_room(path: Path, missing_bytes: int) -> None:
    if missing_bytes + LEFT_FREE_BYTES > shutil.disk_usage(path.parent).free:
        raise _disk_full(path, missing_bytes)


def _disk_full(path: Path, missing_bytes: int) -> DiskFull:
    needs = f" needs {missing_bytes / 1e9:.2f} GB more, and" if missing_bytes > 0 else ":"
    free = shutil.disk_usage(path.parent).free / 1e9
    return DiskFull(
        f"{path}{needs} only {free:.2f} GB are free there; make room, or name a folder on another "
        "disk with --models. What is fetched already is kept."
    )


def _finish(path: Path, source: Source, size: int | None) -> None:
    part = _part(path)
    length = part.stat().st_size
    if size is not None and length != size:
        _forget(path)
        raise NotHere(f"its file has {length} bytes and not {size}")
    for name, expected in (("sha256", source.sha256), ("md5", source.md5)):
        if expected:
            with part.open("rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != expected:
                _forget(path)
                raise NotHere(f"what it sent has not the {name} that it announced")
    part.replace(path)
    _note(path).unlink(missing_ok=True)


# --- what comes over the network ---------------------------------------------------------


def _open(url: str, have: int, announcement: _Announcement, stall_seconds: float) -> Any:
    headers = {"Accept-Encoding": "identity", "User-Agent": "botconvo"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(announcement)
    try:
        return opener.open(request, timeout=stall_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == RANGE_NOT_SATISFIABLE and have:
            raise _BrokenOff("the part on disk does not fit") from error
        if error.code < 500 and error.code != TOO_MANY_REQUESTS:
            raise NotHere(_reason(error)) from error
        raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError):
            raise
        raise NotHere(_reason(error)) from error


class _Announcement(urllib.request.HTTPRedirectHandler):
    """What the headers of an answer say of the file. Hugging Face says size and hash where it
    sends us on to another server, and not there."""

    def __init__(self) -> None:
        self._linked_hash = ""
        self._linked_size = -1

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        self._linked_hash = _sha256(headers["X-Linked-Etag"]) or self._linked_hash
        if (headers["X-Linked-Size"] or "").isdigit():
            self._linked_size = int(headers["X-Linked-Size"])
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def read(self, url: str, response: Any) -> tuple[Source, int]:
        """The whole file as this answer describes it, and at which byte the answer begins."""
        headers = response.headers
        if headers.get_content_type() == "text/html":
            raise NotHere(WEB_PAGE)
        begin, size = 0, self._linked_size
        if response.status == PARTIAL_CONTENT:
            found = re.match(r"bytes (\d+)-\d+/(\d+)$", headers["Content-Range"] or "")
            # A part of nobody knows what: a begin that never fits starts the file over.
            begin, size = (int(found[1]), int(found[2])) if found else (-1, size)
        elif headers["Content-Length"]:
            size = int(headers["Content-Length"])
        if size != self._linked_size >= 0:
            raise NotHere(f"it announces {self._linked_size} bytes and sends {size}")
        tag = headers["ETag"] or headers["Last-Modified"] or ""
        sha256 = self._linked_hash or _sha256(headers["ETag"])
        return Source(url, size, tag, _md5(headers, response.status), sha256), begin


WEB_PAGE = (
    "it answers with a web page in place of the file; a proxy or the login page of this network "
    "may stand in between"
)


def _sha256(tag: str | None) -> str:
    """Hugging Face's tags of large files are their SHA-256."""
    found = re.fullmatch(r'(?:W/)?"?([0-9a-f]{64})"?', tag or "")
    return found[1] if found else ""


def _md5(headers: Any, status: int) -> str:
    """Of the whole file. Azure: x-ms-blob-content-md5, also with a part; Google: x-goog-hash
    (cloud.google.com/storage/docs/xml-api/reference-headers); Content-MD5 (RFC 1864) is that of
    a part if a part is sent."""
    stated = headers["x-ms-blob-content-md5"] or ""
    if not stated and status != PARTIAL_CONTENT:
        stated = headers["Content-MD5"] or ""
    for line in headers.get_all("x-goog-hash") or []:
        if found := re.search(r"md5=([A-Za-z0-9+/=]+)", line):
            stated = found[1]
    try:
        return base64.b64decode(stated, validate=True).hex()
    except ValueError:
        return ""


def _copy(response: Any, path: Path, begin: int, size: int, report: Report) -> None:
    have = begin
    with _part(path).open("ab") as file:
        while block := response.read1(BLOCK_BYTES):
            if have == 0 and block.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
                raise NotHere(WEB_PAGE)
            file.write(block)
            have += len(block)
            report(path.name, have, size)
    if size >= 0 and have != size:
        raise _BrokenOff(f"it broke off after {have} of {size} bytes")
