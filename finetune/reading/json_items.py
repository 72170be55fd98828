"""Items of a JSON array, one by one, from a file that may be larger than memory.

ijson reads as long as the file is JSON. From the first place where it is not, a slower reader
goes on that finds its feet again at the next item.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import ijson

from finetune.errors import BrokenOff
from finetune.reading.json_repair import MendedJson
from finetune.reading.json_salvage import salvaged
from finetune.reading.source import Source

ERRORS = (ijson.JSONError, ValueError, ArithmeticError)
"""What ijson raises over bytes that are no JSON, no UTF-8, or numbers beyond all measure."""
STARTS = ("start_map", "start_array")
ENDS = ("end_map", "end_array")


@contextmanager
def opened(source: Source) -> Iterator[MendedJson]:
    """The file as a stream that ijson can read, without a byte-order mark."""
    with source.open() as file:
        yield MendedJson(file)


def items(source: Source, array: str) -> Iterator[Any]:
    """The items of the root's key `array`, or of the root itself if that is "".

    Numbers without a fraction are exact integers of any size, others `Decimal` or float. An item
    that is no JSON comes out as None, so that it can be counted. Raises BrokenOff where the file
    ends too early.
    """
    count = 0
    try:
        with opened(source) as file:
            for item in ijson.items(file, f"{array}.item" if array else "item"):
                count += 1
                yield item
            return
    except ERRORS as error:
        failure = error
    try:
        with source.open_text() as text:
            for item in islice(salvaged(text, array), count, None):
                count += 1
                yield item
    except EOFError:
        raise broken_off(source, count, failure) from failure


def broken_off(source: Source, count: int, error: Exception) -> BrokenOff:
    """The error that says that reading ended after `count` records."""
    short = " ".join(str(error).split())[:80]
    return source.broken_off(f"record {count}", f"export the chat once more ({short})")


def first(source: Source, prefix: str, default: Any = None) -> Any:
    """The first value below `prefix`, in ijson's notation, reading no further than that; `default`
    if there is none or the file breaks off before it."""
    with opened(source) as file:
        try:
            return next(ijson.items(file, prefix), default)
        except ERRORS:
            return default


def root_values(source: Source, until: str) -> dict[str, Any]:
    """The plain values of the root that stand before its key `until`."""
    values: dict[str, Any] = {}
    with opened(source) as file:
        try:
            for prefix, event, value in ijson.parse(file):
                if prefix == until:
                    break
                if prefix and event not in (*STARTS, *ENDS, "map_key"):
                    values[prefix] = value
        except ERRORS:
            pass  # whoever reads on meets it again
    return values


def nested_items(
    source: Source, parents: Collection[str], array: str
) -> Iterator[tuple[dict[str, Any], Any]]:
    """The items of the key `array` of all objects below the prefixes `parents`, each with the
    plain values of its object that stand before the array: one dict for each object.

    Raises BrokenOff where the file is no JSON any more. Takes several times as long as `items`.
    """
    count = 0
    with opened(source) as file:
        try:
            for pair in _nested(ijson.parse(file), parents, array):
                count += 1
                yield pair
        except ERRORS as error:
            raise broken_off(source, count, error) from error


Event = tuple[str, str, Any]
"""ijson's (prefix, kind, value)."""


def _nested(
    events: Iterator[Event], parents: Collection[str], array: str
) -> Iterator[tuple[dict[str, Any], Any]]:
    parent = item = ""
    head: dict[str, Any] = {}
    for prefix, kind, value in events:
        if prefix in parents:
            if kind == "start_map":
                parent, item, head = prefix + ".", f"{prefix}.{array}.item", {}
        elif not item:
            continue
        elif prefix == item and kind != "map_key":
            yield head, _built(events, kind, value)
        elif kind not in (*STARTS, *ENDS, "map_key"):
            head[prefix.removeprefix(parent)] = value


def _built(events: Iterator[Event], kind: str, value: Any) -> Any:
    """The value that starts with this event."""
    if kind not in STARTS:
        return value
    root: Any = {} if kind == "start_map" else []
    open_values, key = [root], ""
    for _, kind, value in events:
        if kind == "map_key":
            key = value
            continue
        if kind in ENDS:
            open_values.pop()
            if not open_values:
                break
            continue
        if kind in STARTS:
            value = {} if kind == "start_map" else []
        parent = open_values[-1]
        if type(parent) is dict:
            parent[key] = value
        else:
            parent.append(value)
        if kind in STARTS:
            open_values.append(value)
    return root
