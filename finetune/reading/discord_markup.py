"""What a person wrote, from the markup that DiscordChatExporter's pages make of it.

Bold, spoilers, code, links and mentions lose their marks and keep their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from finetune.reading.html_blocks import Element, classes
from finetune.reading.source import with_line_feeds

PRESERVED = {"chatlog__markdown-preserve", "preserve-whitespace"}
"""Elements that hold the text and nothing of the page's own white space, since 2.16."""
EDITED = {"chatlog__edited-timestamp", "msg-edited"}
LINES = {"p", "div", "ul", "ol", "li", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"}
CODE_BLOCK = "--multiline"
CUSTOM_EMOJI = re.compile(r"[A-Za-z0-9_~]+", re.A)
"""The `alt` of a server's own emoji is its name, of all others the character."""


def written_text(content: Element) -> str:
    """The text of an element of messages, without the mark of an edit."""
    preserved = next((e for e in content.iterdescendants() if classes(e) & PRESERVED), None)
    if preserved is None:
        return _text(content).strip()
    return _text(preserved)


def _text(root: Element) -> str:
    pieces: list[str] = []
    on_new_line = False
    for piece in _pieces(root):
        if piece is None:
            on_new_line = bool(pieces)
            continue
        if on_new_line and not pieces[-1].endswith("\n") and not piece.startswith("\n"):
            pieces.append("\n")
        on_new_line = False
        pieces.append(piece)
    return with_line_feeds("".join(pieces))


def _pieces(root: Element) -> Iterator[str | None]:
    """Pieces of text; None where the next one begins a line of its own."""
    # Not recursive: a damaged page may nest thousands of elements.
    walker = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walker:
        if event != "start":
            if element is root:
                return
            if event == "end" and _is_block(element):
                yield None
            if element.tail:
                yield element.tail
        elif classes(element) & EDITED:
            walker.skip_subtree()
        else:
            yield from _opening(element)


def _opening(element: Element) -> Iterator[str | None]:
    if _is_block(element):
        yield None
    if element.tag == "br":
        yield "\n"
    elif element.tag == "img":
        name = element.get("alt") or element.get("title") or ""
        if name:
            yield f":{name}:" if CUSTOM_EMOJI.fullmatch(name) else name
    elif ":" in element.tag:
        # Exported without its formatting, `<a:wave:123>` stands in the page as if it were a tag.
        yield f"<{element.tag}>"
    if element.text:
        yield element.text


def _is_block(element: Element) -> bool:
    return element.tag in LINES or CODE_BLOCK in (element.get("class") or "")
