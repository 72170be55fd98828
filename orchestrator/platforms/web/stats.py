"""A friend's card, and the figures of the conversation, as pages are sent them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from model_server.checkpoint_format import Manifest
from orchestrator.cast import Friend
from orchestrator.platforms.web.shapes import Json
from orchestrator.servers.memory import cost_of
from orchestrator.transcript.figures import Figures, Recent, Spoken, percentile
from orchestrator.transcript.shown import Scroll, ShownLine

SECOND_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Counted:
    """What the transcript comes to."""

    spoken: Spoken
    recent: Recent
    silences: Sequence[tuple[str, int]]
    liked: Sequence[tuple[ShownLine, int]]


def counted(scroll: Scroll) -> Counted:
    """Takes about half a second for a hundred thousand lines."""
    figures = Figures(scroll.database, scroll.conversation)
    liked = figures.most_liked()
    lines = scroll.lines([line_id for line_id, _ in liked])
    return Counted(
        figures.spoken(), figures.recent(), figures.silences(),
        [(lines[line_id], count) for line_id, count in liked if line_id in lines],
    )  # fmt: skip


def stats(found: Counted, exported: dict[str, int], liked: Sequence[Json]) -> Json:
    """`exported`: how many messages of each friend's export their model has learnt from; `liked`:
    the lines of `found.liked`, in their order and as pages know them."""
    seconds = found.recent.seconds
    return {
        "turn_shares": turn_shares(found.spoken.lines_by_friend, exported),
        "lines_per_hour": [
            {"hour": hour, "lines": count} for hour, count in found.spoken.lines_by_hour
        ],
        "phrases": [
            {"phrase": p.phrase, "from": p.giver, "to": p.taker, "line": p.line}
            for p in found.recent.phrases
        ],
        "sources": dict(found.recent.sources.most_common()),
        "seconds": {
            **_percentiles(sorted(s for friend in seconds.values() for s in friend)),
            "per_friend": [
                {"name": name, **_percentiles(seconds[name])} for name in sorted(seconds)
            ],
        },
        "reactions": [
            {"line": line, "count": count}
            for line, (_, count) in zip(liked, found.liked, strict=True)
        ],
        "people": found.spoken.people,
        "silences": [{"reason": reason, "count": count} for reason, count in found.silences],
    }


def turn_shares(here: dict[str, int], exported: dict[str, int]) -> list[Json]:
    """How much of all each friend says, here and in the export; None for a friend of whom the
    export tells nothing. Friends who have left the show count here too."""
    total, total_exported = sum(here.values()), sum(exported.values())
    return [
        {
            "name": name,
            "here": here.get(name, 0) / total if total else 0.0,
            "export": exported[name] / total_exported if exported.get(name) else None,
        }
        for name in dict.fromkeys([*exported, *here])
    ]


def _percentiles(seconds: Sequence[float]) -> Json:
    found = {"p50": percentile(seconds, 50), "p99": percentile(seconds, 99)}
    return {k: None if v is None else round(v, SECOND_DIGITS) for k, v in found.items()}


def card(of: Friend, manifest: Manifest, engine: str, evaluation: Path) -> Json:
    """What is known of a friend's model. `memory_bytes` is an estimate, for a server that runs
    here; `evaluation` the folder that `evaluate` writes into. Reads small files."""
    trained, statistics = manifest.trained_on, manifest.statistics
    return {
        "messages": trained.messages,
        "tokens": trained.tokens,
        "since": trained.since,
        "until": trained.until,
        "chats": trained.chats,
        "style": manifest.style,
        "base": manifest.base.name if manifest.base else None,
        "step": manifest.step,
        "in_training": manifest.in_training,
        "bits_per_byte": manifest.bits_per_byte.get("held_out"),
        "size_bytes": _size_bytes(of.checkpoint, manifest),
        "memory_bytes": cost_of(of.checkpoint, engine).memory_bytes if of.checkpoint else None,
        "line_length": statistics.get("line_length"),
        "notices": manifest.notices,
        "evaluation": evaluation_of(of.name, evaluation),
    }


def _size_bytes(checkpoint: Path | None, manifest: Manifest) -> int | None:
    if checkpoint is None or manifest.gguf is None:
        return None
    file = checkpoint / manifest.gguf.file
    return file.stat().st_size if file.is_file() else None


EVALUATION_PAGE, EVALUATION_DATA = "evaluation.html", "evaluation.json"
"""Names that `evaluate` gives its files."""


def evaluation_of(name: str, folder: Path) -> str | None:
    """The address of the page that tells how good the friend's model is, if there is one."""
    is_there = name in evaluated(folder) and (folder / EVALUATION_PAGE).is_file()
    return f"/evaluation/{quote(name, safe='')}" if is_there else None


def evaluated(folder: Path) -> frozenset[str]:
    """The friends that the last evaluation tells of; none if there was none."""
    try:
        found: Any = json.loads((folder / EVALUATION_DATA).read_text(encoding="utf-8"))
        return frozenset(friend["friend"] for friend in found["friends"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
