"""A page of headings, sentences, tables and pictures, as Markdown and as HTML. Knows nothing of
what stands in it."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.evaluation.pictures import Picture

STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1c1e21; --line: #d5d8dc; --soft: #f2f4f6 }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --text: #e4e6e9; --line: #3a3e44; --soft: #22262b } }
body { background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
  max-width: 50rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.2rem }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right;
  white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { background: var(--soft) }
blockquote { margin: .6rem 0; padding: .3rem .8rem; border-left: 3px solid var(--line) }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, all as long as `head`; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines of a conversation."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Points | Table | Quote | Picture


def as_markdown(blocks: Sequence[Block]) -> str:
    """Pictures are named as PNG files beside the page."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Points(items):
            return "\n".join(f"- {_escaped(item)}" for item in items)
        case Quote(lines):
            return "\n".join(f"> {_escaped(line)}  " for line in lines)
        case Picture():
            return f"![{block.alt}]({block.name}.png)"
        case Table(head, rows):
            rule = ["---", *["---:"] * (len(head) - 1)]
            cells = [[_escaped(cell).replace("|", r"\|") for cell in row] for row in (head, *rows)]
            return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))


def _escaped(text: str) -> str:
    """What people write is no Markdown and no HTML."""
    return re.sub(r"([\\`*_\[\]<>&#~])", r"\\\1", " ".join(text.split()))


def as_html(title: str, blocks: Sequence[Block]) -> str:
    """One file that asks for nothing else: the pictures stand in it, for light and dark."""
    body = "\n".join(map(_html, blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        case Quote(lines):
            return f"<blockquote>{'<br>'.join(map(html.escape, lines))}</blockquote>"
        case Picture():
            return (
                f'<picture><source media="(prefers-color-scheme: dark)" srcset="{_data(block.dark)}'
                f'"><img src="{_data(block.light)}" alt="{html.escape(block.alt)}"></picture>'
            )
        case Table(head, rows):
            first = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            rest = "".join(
                f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
                for row in rows
            )
            return f'<div class="wide"><table><tr>{first}</tr>{rest}</table></div>'


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
