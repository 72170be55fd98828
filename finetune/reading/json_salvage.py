"""What can be saved of a JSON array that is broken somewhere: all items but the broken ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

CHUNK = 1 << 20
LARGEST_ITEM = 1 << 22
"""Characters; what does not end within so many is broken, not unfinished."""
ITEM_START = re.compile(r"[\[,}]\s*(?=\{)")
SPACE = re.compile(r"[\s,]*")


class _Text:
    """A window on the text that moves forward."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.window = ""
        self.ended = False

    def read_on(self) -> None:
        piece = self._file.read(CHUNK)
        self.ended = not piece
        self.window += piece

    def drop(self, place: int) -> None:
        self.window = self.window[place:]


def salvaged(file: TextIO, array: str) -> Iterator[Any]:
    """The items of the root's key `array`, or of the root itself if that is "", in order; None
    for each stretch that is no JSON. Raises EOFError if the array has no end."""
    text = _Text(file)
    start = re.compile(rf'"{re.escape(array)}"\s*:\s*\[' if array else r"\[")
    while not (found := start.search(text.window)):
        if text.ended:
            raise EOFError
        text.read_on()
    text.drop(found.end())
    usual: set[str] = set()
    while True:
        _skip_space(text)
        if text.window[:1] == "]":
            return
        item, end = _item(text, 0)
        if end is None:
            item, end = _next_item(text, usual)
            yield None
        usual = usual & item.keys() or set(item) if isinstance(item, dict) else usual
        yield item
        text.drop(end)


def _skip_space(text: _Text) -> None:
    while True:
        space = SPACE.match(text.window)
        assert space
        text.drop(space.end())
        if text.window:
            return
        if text.ended:
            raise EOFError
        text.read_on()


def _item(text: _Text, place: int) -> tuple[Any, int | None]:
    """The value at this place and where it ends; no end if it is no JSON."""
    decoder = json.JSONDecoder(strict=False)
    while True:
        try:
            item, end = decoder.raw_decode(text.window, place)
        except json.JSONDecodeError as error:
            unfinished = error.pos >= len(text.window) - 8 or error.msg.startswith("Unterm")
            if text.ended or not unfinished or len(text.window) - place > LARGEST_ITEM:
                return None, None
        except (ValueError, RecursionError):
            return None, None
        else:
            # A number at the very end may go on behind it.
            if end < len(text.window) or text.ended:
                return item, end
        text.read_on()


def _next_item(text: _Text, usual: set[str]) -> tuple[Any, int]:
    """The first object after the start that has most of the usual keys, and where it ends. Raises
    EOFError if there is none."""
    place = 1
    while True:
        found = ITEM_START.search(text.window, place)
        if found is None:
            if text.ended:
                raise EOFError
            text.drop(max(0, len(text.window) - 64))
            place = 0
            text.read_on()
            continue
        item, end = _item(text, found.end())
        if end is not None and isinstance(item, dict) and _is_usual(item, usual):
            return item, end
        place = found.end()


def _is_usual(item: dict[str, Any], usual: set[str]) -> bool:
    return len(usual & item.keys()) * 2 > len(usual) or (not usual and len(item) > 2)
