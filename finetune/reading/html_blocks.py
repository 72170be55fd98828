"""Blocks of an HTML page, one by one, from a file that may be larger than memory.

A tolerant parser (libxml2's by way of lxml) reads the page in pieces; a block that has been
seen is dropped from memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from finetune.reading.source import Source

Element = Any
"""An element of lxml, which ships no types."""
CHUNK_BYTES = 1 << 16
RESTART_BYTES = 1 << 22


def blocks(
    source: Source,
    is_block: Callable[[Element], bool],
    restart: re.Pattern[bytes] | None = None,
) -> Iterator[Element]:
    """Every element for which `is_block` says yes, when it is complete, in the page's order.

    Blocks should not lie in each other: an inner one is emptied before the outer one comes.
    A page that breaks off gives what is complete, and its open blocks as far as they go.

    libxml2 keeps the bytes of a page until its end. For pages of any size, `restart` matches the
    opening tag of elements that lie outside of all blocks or are blocks themselves: now and then
    the page is taken to end there and another one to begin.
    """
    parser = _parser()
    fed = 0
    with source.open() as file:
        while chunk := file.read(CHUNK_BYTES):
            fed += len(chunk)
            tag = restart.search(chunk) if restart and fed > RESTART_BYTES else None
            if tag:
                parser.feed(chunk[: tag.start()])
                yield from _last(parser, is_block)
                parser, fed, chunk = _parser(), 0, chunk[tag.start() :]
            parser.feed(chunk)
            yield from _finished(parser, is_block)
    yield from _last(parser, is_block)


def _parser() -> etree.HTMLPullParser:
    return etree.HTMLPullParser(events=("end",), encoding="utf-8", huge_tree=True)


def _last(parser: etree.HTMLPullParser, is_block: Callable[[Element], bool]) -> Iterator[Element]:
    try:
        parser.close()
    except etree.XMLSyntaxError:
        return  # nothing but white space
    yield from _finished(parser, is_block)


def _finished(
    parser: etree.HTMLPullParser, is_block: Callable[[Element], bool]
) -> Iterator[Element]:
    for _, element in parser.read_events():
        if not isinstance(element.tag, str) or not is_block(element):
            continue
        yield element
        element.clear(keep_tail=False)
        parent = element.getparent()
        while parent is not None and element.getprevious() is not None:
            del parent[0]


def classes(element: Element) -> set[str]:
    """The words of the element's `class`."""
    return set((element.get("class") or "").split())


def has_class(element: Element, name: str) -> bool:
    return name in (element.get("class") or "").split()


def first_with_class(element: Element, name: str) -> Element | None:
    """The first element below this one that has the class."""
    return next((e for e in element.iterdescendants() if has_class(e, name)), None)


def text_of(element: Element, without: Callable[[Element], bool] = lambda element: False) -> str:
    """The text as a reader sees it, untrimmed: `<br>` is a line end, a picture with an `alt` (an
    emoji) is that; elements for which `without` says yes are left out."""
    pieces = [element.text or ""]
    # Not by recursion: a page may nest deeper than Python does.
    waiting: list[Element | str] = [part for child in reversed(element) for part in _parts(child)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            pieces.append(part)
        elif not isinstance(part.tag, str) or without(part):
            continue  # a comment, or not wanted
        elif part.tag == "br":
            pieces.append("\n")
        elif part.tag == "img":
            pieces.append(part.get("alt") or "")
        else:
            pieces.append(part.text or "")
            waiting += [inner for child in reversed(part) for inner in _parts(child)]
    return "".join(pieces)


def _parts(element: Element) -> tuple[str, Element]:
    """What follows the element, and the element, in the order of a stack."""
    tail = element.tail or ""
    # The end of the source's line behind a `<br>` is not another one.
    return tail.removeprefix("\r").removeprefix("\n") if element.tag == "br" else tail, element
