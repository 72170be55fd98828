"""The page's own files, and pictures of friends: kept in memory, compressed where that helps, named
by what is in them so that a browser asks for each only once.

A name is looked up among the names that are there; it never becomes a path.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from aiohttp import ETag, web

from orchestrator.platforms.web.limits import PICTURE_BYTES

FOLDER = Path(__file__).parent / "page"
NAME = re.compile(r"\w[\w-]*\.(\w+)", re.ASCII)
TYPES = {
    "css": "text/css", "html": "text/html", "ico": "image/x-icon", "js": "text/javascript",
    "json": "application/json", "png": "image/png", "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json", "woff2": "font/woff2",
}  # fmt: skip
TEXTS = frozenset({"css", "html", "js", "json", "svg", "webmanifest"})
PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg[\s>]", re.DOTALL), "image/svg+xml"),
)
"""First bytes of the kinds of pictures that browsers show; what a file is called counts nothing."""
LEAST_GAIN = 0.9
"""Of its size; a file that compresses no better is sent as it is."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's content, with its type and charset."""

    data: bytes
    type: str
    packed: bytes | None = None
    tag: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", sha256(self.data).hexdigest()[:20])

    def response(self, request: web.Request, *, max_age_seconds: int = 0) -> web.Response:
        """The content, or 304 if the browser has it."""
        # A new version of the program must not run with scripts of the old one.
        caching = f"max-age={max_age_seconds}" if max_age_seconds else "no-cache"
        known = request.if_none_match or ()
        is_known = any(tag.value in (self.tag, "*") for tag in known)
        response = web.Response(status=304 if is_known else 200)
        response.etag = ETag(self.tag, is_weak=True)
        response.headers["Cache-Control"] = caching
        response.headers["Vary"] = "Accept-Encoding"
        if is_known:
            return response
        response.headers["Content-Type"] = self.type
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "").casefold()
        if self.packed is not None and takes_gzip:
            response.headers["Content-Encoding"] = "gzip"
            response.body = self.packed
        else:
            response.body = self.data
        return response


class PageFiles:
    """The files of a folder, each read again once it has changed."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._stored: dict[str, tuple[tuple[int, int], Stored]] = {}

    def find(self, name: str) -> Stored | None:
        """The file of this name, if it is one of the page's."""
        match = NAME.fullmatch(name)
        path = self._folder / name
        if match is None or match[1] not in TYPES or not path.is_file():
            return None
        status = path.stat()
        version = (status.st_mtime_ns, status.st_size)
        if name not in self._stored or self._stored[name][0] != version:
            self._stored[name] = (version, _stored(path.read_bytes(), match[1]))
        return self._stored[name][1]


def _stored(data: bytes, ending: str) -> Stored:
    if ending not in TEXTS:
        return Stored(data, TYPES[ending])
    packed = gzip.compress(data, mtime=0)
    is_worth_it = len(packed) < LEAST_GAIN * len(data)
    return Stored(data, f"{TYPES[ending]}; charset=utf-8", packed if is_worth_it else None)


def picture(path: Path) -> Stored | None:
    """A picture of the user's; None if it is none that browsers show, or too large."""
    try:
        with path.open("rb") as file:
            data = file.read(PICTURE_BYTES + 1)
    except OSError:
        return None
    kind = next((kind for start, kind in PICTURES if start.match(data)), None)
    return None if kind is None or len(data) > PICTURE_BYTES else Stored(data, kind)


def drawing(svg: str) -> Stored:
    """A picture that we drew ourselves."""
    return _stored(svg.encode(), "svg")
