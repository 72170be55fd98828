"""Sessions of the sample chat, as pairs of name and text, for benchmarks of conversation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

SAMPLE_CHAT = Path(__file__).resolve().parents[2] / "orchestrator" / "demo" / "sample_chat.json"
SESSION_GAP = timedelta(hours=1)


def sessions_of_the_sample_chat() -> list[list[tuple[str, str]]]:
    """Lines with text, cut where the chat falls silent for an hour."""
    messages = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))["messages"]
    sessions: list[list[tuple[str, str]]] = []
    last: datetime | None = None
    for message in messages:
        at = datetime.fromisoformat(message["timestamp"])
        if not message["content"] or message["author"].get("isBot"):
            continue
        if last is None or at - last > SESSION_GAP:
            sessions.append([])
        last = at
        sessions[-1].append((message["author"]["nickname"], message["content"]))
    return sessions
