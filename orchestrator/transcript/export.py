"""Lines of the transcript as text, Markdown, JSON lines, or one web page.

Each form is an iterator of pieces to be written one after the other, so that a transcript may be
larger than memory. Knows nothing of files.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from orchestrator.transcript import Transcript
from orchestrator.transcript.explain import explain, why_silent
from orchestrator.transcript.records import TranscriptLine, printable
from orchestrator.transcript.when import counted, stamp

Lines = Iterable[TranscriptLine]
Form = Callable[[Transcript, Lines], Iterator[str]]

SAID = ("friend", "person")
HUES = (28, 199, 291, 140, 232, 350, 62, 168)
"""Degrees of the colour wheel for names, far from each other one after the other."""
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>~|&$])")
"""Those that mean something within a line; a text never begins one."""

PAGE_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>Transcript</title>
<style>
:root { --paper: #fdfdfb; --ink: #1c1c1e; --dim: #6a6a70; --edge: #dcdcd6; --light: 32%; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17181b; --ink: #e8e8ea; --dim: #9a9aa2; --edge: #34363c; --light: 72%; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem .8rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; color: var(--dim); margin: 2rem 0 .6rem;
  border-bottom: 1px solid var(--edge); }
details { margin: .3rem 0; } summary { cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:hover, details[open] > summary { background: color-mix(in srgb, var(--edge) 45%, transparent); }
b { color: hsl(var(--hue) 65% var(--light)); }
time, .aside, .aside b { color: var(--dim); font-size: .8rem; font-weight: normal; }
.said { white-space: pre-wrap; } .unsaid .said { text-decoration: line-through; }
pre { white-space: pre-wrap; font-size: .82rem; line-height: 1.45; color: var(--dim);
  border-left: 3px solid var(--edge); margin: .3rem 0 .8rem; padding-left: .8rem; }
a { color: inherit; } :target > summary { outline: 2px solid var(--edge); }
@media print { pre { display: none; } }
</style>
</head>
<body>
<h1>Transcript</h1>
<p class="aside">Click a line to see why it was said.</p>
"""  # noqa: E501
PAGE_FOOT = "</body>\n</html>\n"


def as_text(transcript: Transcript, lines: Lines) -> Iterator[str]:
    """`2026-11-21 14:03:05 Name: text`, a line each; only what was said and not taken back. Lines
    of a show without a real clock begin with the time since its start, `+0:14:05`."""
    for line in _said(lines):
        yield f"{stamp(line.said_at)} {printable(line.speaker)}: {printable(line.text)}\n"


def as_markdown(transcript: Transcript, lines: Lines) -> Iterator[str]:
    """Headings for days, `**Name:** text`; only what was said and not taken back."""
    yield "# Transcript\n"
    heading = ""
    for line in _said(lines):
        if heading != (heading := _heading(line)):
            yield f"\n## {heading}\n"
        yield f"\n**{_marked(line.speaker)}:** {_marked(line.text)}\n"


def as_json_lines(transcript: Transcript, lines: Lines) -> Iterator[str]:
    """One JSON object a line: every kind of row, with reasons, reactions and edits."""
    for line in lines:
        yield json.dumps(as_data(transcript, line), ensure_ascii=False) + "\n"


def as_data(transcript: Transcript, line: TranscriptLine) -> dict[str, Any]:
    """A line as plain data, times as ISO 8601 with offset; those of a show without a real clock
    count from 2000-01-01T00:00:00+00:00."""
    return {
        "id": line.id,
        "conversation": line.conversation,
        "run": line.run,
        "said_at": line.said_at.isoformat(),
        "speaker": line.speaker,
        "kind": line.kind,
        "text": line.text,
        "reply_to": line.reply_to,
        "unsaid": line.unsaid,
        "why": line.why,
        "reactions": [
            {"author": r.author, "emoji": r.emoji, "at": r.at.isoformat()}
            for r in transcript.reactions(line.id)
        ],
        "edits": [
            {"old_text": e.old_text, "new_text": e.new_text, "at": e.at.isoformat()}
            for e in transcript.edits(line.id)
        ],
    }


def as_page(transcript: Transcript, lines: Lines) -> Iterator[str]:
    """One web page that needs nothing else; every line opens to show why it was said. Silences,
    commands and what was taken back are there too, dimmed or struck out."""
    yield PAGE_HEAD
    heading = ""
    hues: dict[str, int] = {}
    previous: int | None = None
    for line in lines:
        if heading != (heading := _heading(line)):
            yield f"<h2>{_escaped(heading)}</h2>\n"
        hue = hues.setdefault(line.speaker, HUES[len(hues) % len(HUES)])
        # That a line answers the one above it need not be said.
        yield _entry(transcript, line, hue, None if line.reply_to == previous else line.reply_to)
        previous = line.id if line.kind in SAID else previous
    if not heading:
        yield "<p>Nothing was said.</p>\n"
    yield PAGE_FOOT


def _entry(transcript: Transcript, line: TranscriptLine, hue: int, reply_to: int | None) -> str:
    classes = " ".join(
        name for name, on in (("aside", line.kind not in SAID), ("unsaid", line.unsaid)) if on
    )
    emoji = " ".join(reaction.emoji for reaction in transcript.reactions(line.id))
    return (
        f'<details id="line-{line.id}" class="{classes}"><summary>'
        f"{_time(line)} "
        f'<b style="--hue:{hue}" dir="auto">{_escaped(line.speaker)}</b> {_link(line, reply_to)}'
        f'<span class="said" dir="auto">{_escaped(_shown(line))}</span> {_escaped(emoji)}'
        f"</summary><pre>{_escaped(explain(transcript, line))}</pre></details>\n"
    )


def _time(line: TranscriptLine) -> str:
    if (after := counted(line.said_at)) is not None:
        return f'<time datetime="PT{after.total_seconds():.0f}S">{stamp(line.said_at)}</time>'
    return f'<time datetime="{line.said_at.isoformat()}">{line.said_at:%H:%M:%S}</time>'


def _shown(line: TranscriptLine) -> str:
    return f"stayed silent: {why_silent(line)}" if line.kind == "silence" else line.text


def _link(line: TranscriptLine, reply_to: int | None) -> str:
    if reply_to is None or line.kind not in SAID:
        return ""
    return f'<a class="aside" href="#line-{reply_to}" title="the line that this answers">↩</a> '


def _said(lines: Lines) -> Iterator[TranscriptLine]:
    return (line for line in lines if line.kind in SAID and not line.unsaid)


def _heading(line: TranscriptLine) -> str:
    if counted(line.said_at) is not None:
        return f"conversation {line.conversation}, times since it began"
    return f"{line.said_at:%Y-%m-%d}, conversation {line.conversation}"


def _escaped(text: str) -> str:
    return html.escape("".join(c if c.isprintable() or c == "\n" else " " for c in text))


def _marked(text: str) -> str:
    return MARKDOWN_SIGNS.sub(r"\\\1", printable(text))


FORMS: dict[str, Form] = {
    "text": as_text, "md": as_markdown, "jsonl": as_json_lines, "html": as_page,
}  # fmt: skip
