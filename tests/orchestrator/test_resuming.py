"""What people set holds after a restart."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.control import Control
from orchestrator.resuming import as_before
from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn_taking import Member
from orchestrator.transcript import Transcript

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def control(*friends: str) -> Control:
    members = [Member(name) for name in friends]
    actions: Any = None  # nothing that lasts needs the show
    return Control(
        Conversation(members, ConversationSettings(), LimitSettings(), random.Random(1)), actions
    )  # fmt: skip


def restarted(tmp_path: Path, *commands: str, done: bool = True, fresh: bool = False) -> Control:
    path = tmp_path / "t.sqlite"
    with Transcript.open(path, fresh=True, seed=1, now=NOW) as transcript:
        for text in commands:
            name, _, argument = text.partition(" ")
            why = {"name": name, "argument": argument, "done": done}
            transcript.add("Sam", "command", f"/{text}", why, NOW)
    with Transcript.open(path, fresh=fresh, seed=2, now=NOW) as transcript:
        restored = control("Ada", "Bo")
        as_before(restored, transcript.commands())
    return restored


def test_mutes_pace_and_a_pause_hold_after_a_restart(tmp_path: Path) -> None:
    now = restarted(tmp_path, "mute ada", "mute bo", "pause", "pace 2", "unmute bo", "topic soup")
    assert now.conversation.muted == {"Ada"}
    assert now.pace == 2.0
    assert not now.running.is_set()
    assert now.conversation.topic == ""
    assert restarted(tmp_path, "pause", "resume").running.is_set()


def test_what_was_refused_or_is_about_somebody_who_left_changes_nothing(tmp_path: Path) -> None:
    assert restarted(tmp_path, "mute ada", done=False).conversation.muted == set()
    assert restarted(tmp_path, "mute zoe", "mute bo").conversation.muted == {"Bo"}


def test_a_new_conversation_begins_afresh(tmp_path: Path) -> None:
    assert restarted(tmp_path, "pause", fresh=True).running.is_set()
