r"""A filter for JSON that a careless program wrote: passes on the bytes of a stream, mended.

Two mistakes are mended, both of Telegram Desktop: control characters written as `\x1F`
(https://github.com/telegramdesktop/tdesktop/issues/27571), and a `document_id` without quotes
(4.1.1, https://github.com/telegramdesktop/tdesktop/issues/24961). Neither can stand in valid
JSON, so valid JSON passes unchanged, and as quickly as bytes can be searched; only a byte-order
mark at the start is left out.
"""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

MOST_DIGITS = 4300
"""The limit of Python's `int`."""
MOST_NESTED = 1000
STRIDE = 100
"""Looking at so few bytes is enough to be sure that there is no such run: one that is too long
shows in several of them."""
ALIKE = bytes.maketrans(b"023456789{\t\r\n", b"111111111[   ")
TOO_MANY_DIGITS, TOO_DEEP = b"1" * MOST_DIGITS, b"[" * MOST_NESTED
SOME_DIGITS = b"1" * (MOST_DIGITS // STRIDE - 1)
SOME_DEPTH = b"[" * (MOST_NESTED // STRIDE - 1)
LONGEST_BEGINNING = 16
"""Of a mistake that may be torn: `"document_id": ` and an escape."""
LONGEST_LINE = 4096
"""So much of an unfinished line is kept back to see it whole; a `document_id` is far shorter."""
# Escapes are taken one by one, so that in `\\x41` the second backslash starts none.
ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)
BARE_ID = re.compile(
    rb'(?P<key>"document_id":[ ]?)(?!true\b|false\b|null\b)(?P<value>[A-Za-z_(][^"\\\r\n]*?)'
    rb"(?P<end>[ ]*,?\r?\n)"
)


class MendedJson:
    """A stream that reads another and mends it.

    Raises ValueError for what would crash the parser of ijson 3.6, which no `except` can catch:
    numbers of more digits than Python reads, and brackets without end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = b""
        self._end = b""
        self._is_start = True

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes, now and then a few more than asked for; none at the end."""
        if size == 0:
            return b""
        while True:
            data = self._file.read(size)
            if not self._held and len(data) > LONGEST_BEGINNING and _is_clean(data):
                self._check(data)
                return self._without_mark(data)
            piece = self._held + data
            cut = _whole(piece) if data else len(piece)
            self._held, piece = piece[cut:], piece[:cut]
            if piece or not data:
                self._check(piece)
                return _mend(self._without_mark(piece))

    def _check(self, piece: bytes) -> None:
        seen = self._end + piece
        self._end = seen[-MOST_DIGITS:]
        sample = seen[::STRIDE].translate(ALIKE)
        if SOME_DIGITS not in sample and SOME_DEPTH not in sample.replace(b" ", b"["):
            return
        alike = seen.translate(ALIKE)
        if TOO_MANY_DIGITS in alike or TOO_DEEP in alike.translate(None, b" "):
            raise ValueError("a number or a nesting beyond all measure")

    def _without_mark(self, piece: bytes) -> bytes:
        if self._is_start:
            self._is_start = False
            return piece.removeprefix(codecs.BOM_UTF8)
        return piece


def _is_clean(data: bytes) -> bool:
    """Whether nothing in it, or begun at its end, can be one of the mistakes: nearly always."""
    end = data[-LONGEST_BEGINNING:]
    return not (b"\\" in end or b'"d' in end or b"\\x" in data or b"document_id" in data)


def _whole(piece: bytes) -> int:
    """Where to cut so that no line is torn, or, if it is a long one, no escape."""
    line_end = piece.rfind(b"\n", max(0, len(piece) - LONGEST_LINE))
    if line_end >= 0 or len(piece) < LONGEST_LINE:
        return line_end + 1
    torn = re.search(rb"x[0-9A-Fa-f]?\Z", piece[-2:])
    end = len(piece) - (len(torn[0]) if torn else 0)
    backslashes = end - len(piece[:end].rstrip(b"\\"))
    return end - 1 if backslashes % 2 else len(piece)


def _mend(piece: bytes) -> bytes:
    if b"\\x" in piece:
        piece = ESCAPE.sub(lambda m: b"\\u00" + m[1] if m[1] else m[0], piece)
    if b'"document_id"' in piece:
        piece = BARE_ID.sub(rb'\g<key>"\g<value>"\g<end>', piece)
    return piece
