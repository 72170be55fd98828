"""What people do on the platforms becomes lines, wishes and commands of the show."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from finetune.markup import plain_words
from orchestrator.clock import Clock
from orchestrator.control import Control, Refused
from orchestrator.errors import StageFailed, StageLost
from orchestrator.phrases import PhrasePicker
from orchestrator.platforms import Command, Deletion, Edit, Event, PersonLine, Platform, Reaction
from orchestrator.resuming import DELETED, EDITED, STILL_WAITING
from orchestrator.stages import Stages
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn import SpokenLine
from orchestrator.transcript import Transcript, TranscriptLine
from orchestrator.writer import Writer

log = logging.getLogger(__name__)

TOO_LATE = "written too long ago to be answered"
NO_LINE = "that message"
"""In place of a line's number: the message that was pointed at is none of this conversation."""
STEERING = frozenset({"pause", "resume", "topic", "mute", "unmute", "pace"})
"""Commands that whoever watches elsewhere would wonder at, as friends fall silent."""
MAX_AUTHOR_CHARS = 80
"""As long as the name of a friend may be."""


class Audience:
    """Listens on all platforms at once. `woken` is set whenever somebody did something."""

    def __init__(
        self,
        conversation: Conversation,
        stages: Stages,
        transcript: Transcript,
        writer: Writer,
        picker: PhrasePicker,
        clock: Clock,
        control: Control,
        woken: asyncio.Event,
    ) -> None:
        self._conversation = conversation
        self._stages = stages
        self._transcript = transcript
        self._writer = writer
        self._picker = picker
        self._clock = clock
        self._control = control
        self._woken = woken
        self._handlers: Mapping[type, Callable[[Platform, Any], Awaitable[None]]] = {
            PersonLine: self._on_line,
            Command: self._on_command,
            Edit: self._on_edit,
            Deletion: self._on_deletion,
            Reaction: self._on_reaction,
        }

    def listen(self) -> list[asyncio.Task[None]]:
        """One task per platform, each until its platform closes."""
        return [asyncio.create_task(self._listen(platform)) for platform in self._stages.platforms]

    async def _listen(self, platform: Platform) -> None:
        try:
            async for event in platform.events():
                try:
                    await self._on_event(platform, event)
                except Exception:
                    # One event that goes wrong must not make the show deaf.
                    log.exception("%s: %s", platform.name, event)
        except StageLost as error:
            await self._stages.lose(platform, str(error))
        except Exception:
            log.exception("%s: nothing more is heard from there", platform.name)

    async def _on_event(self, platform: Platform, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is None:
            log.info("%s: %s", platform.name, event)
            return
        await handler(platform, event)
        self._woken.set()

    async def _on_line(self, platform: Platform, event: PersonLine) -> None:
        text = _storable(plain_words(event.text))
        known = self._transcript.line_of(platform.name, event.message_id)
        if not text or known is not None:
            # Platforms tell lines again after a gap.
            log.info("%s: %s", platform.name, "nothing to read" if not text else "known already")
            return
        reply_to = self._line_of(platform, event.reply_to)
        addressed = event.addressed or self._speaker_of(reply_to)
        author = _name(event.author)
        now = self._clock.now()
        is_late = event.at is not None and event.at < now - STILL_WAITING
        why = {"stage": platform.name, "addressed": list(addressed)}
        if event.at is not None:
            why["written_at"] = event.at.isoformat()
        if is_late:
            why["reason"] = TOO_LATE
        # With its message, as one: else a platform that tells it again would double it.
        post = (platform.name, event.message_id)
        line_id = await self._writer.write(
            lambda: self._transcript.add(author, "person", text, why, now, reply_to, post=post)
        )
        line = SpokenLine(line_id, author, "", now, by_person=True).reworded(text, self._picker)
        if is_late:
            self._conversation.resume([line])
            await self._writer.write(
                lambda: self._transcript.add("", "silence", "", {"reason": TOO_LATE}, now, line_id)
            )
        else:
            self._conversation.heard(line, addressed)
        self._stages.relay(platform, line_id, author, text)

    def _speaker_of(self, line_id: int | None) -> tuple[str, ...]:
        """The friend who said the line, who is thereby the one to answer a reply to it."""
        line = self._transcript.line(line_id) if line_id is not None else None
        return (line.speaker,) if line and line.kind == "friend" else ()

    def _line_of(self, platform: Platform, message_id: str | None) -> int | None:
        return self._transcript.line_of(platform.name, message_id) if message_id else None

    async def _on_command(self, platform: Platform, event: Command) -> None:
        self._conversation.person_is_here()
        argument, line_id, is_done = event.argument, None, True
        if event.message_id is not None:
            pointed_at = self._line_of(platform, event.message_id)
            argument = NO_LINE if pointed_at is None else str(pointed_at)
        try:
            # What it changes and the row that says so must be one step: nothing is awaited in
            # between but what writes it.
            carried_out = await self._control.carry_out(event.name, argument)
            answer, line_id = carried_out.answer, carried_out.line
        except Refused as error:
            answer, is_done = str(error), False
        now = self._clock.now()
        why = {
            "stage": platform.name, "name": event.name, "argument": argument,
            "answer": answer, "done": is_done, "line": line_id,
        }  # fmt: skip
        text = f"/{event.name} {event.argument}".strip()
        await self._writer.write(
            lambda: self._transcript.add(event.author, "command", text, why, now)
        )
        await self._stages.when_changed()
        if is_done and event.name in STEERING:
            place = platform.name.partition(" ")[0]
            self._stages.tell_others(platform, f"{_name(event.author)} ({place}), {text}: {answer}")
        if event.answer is None:
            await self._stages.tell(platform, answer)
            return
        try:
            await event.answer(answer, is_done)
        except StageFailed as error:
            log.warning("%s: %s", platform.name, error)

    async def _on_edit(self, platform: Platform, event: Edit) -> None:
        line_id = self._line_of(platform, event.message_id)
        text = _storable(plain_words(event.text))
        line = self._transcript.line(line_id) if line_id is not None else None
        if line is None or line.unsaid or not text or text == line.text:
            return
        self._conversation.reworded(line.id, text, self._picker)
        now = self._clock.now()
        await self._writer.write(lambda: self._transcript.replace_text(line.id, text, None, now))
        await self._remember(platform, EDITED, line)
        self._stages.reword(line.id, line.speaker, text, but_not_on=platform)

    async def _on_deletion(self, platform: Platform, event: Deletion) -> None:
        line_id = self._line_of(platform, event.message_id)
        line = self._transcript.line(line_id) if line_id is not None else None
        if line is None or line.unsaid:
            return
        self._conversation.unsay(line.id)
        await self._writer.write(lambda: self._transcript.unsay(line.id))
        await self._remember(platform, DELETED, line)
        self._stages.take_back(line.id, but_not_on=platform)

    async def _remember(self, platform: Platform, name: str, line: TranscriptLine) -> None:
        """When it was that somebody changed a line: what was said after that knew of it."""
        author = line.speaker if line.kind == "person" else "somebody"
        why = {
            "stage": platform.name, "name": name, "argument": str(line.id),
            "answer": f"Line {line.id} is {name} on all stages.", "done": True, "line": line.id,
        }  # fmt: skip
        text, now = f"({name} line {line.id})", self._clock.now()
        await self._writer.write(lambda: self._transcript.add(author, "command", text, why, now))

    async def _on_reaction(self, platform: Platform, event: Reaction) -> None:
        now, kept = self._clock.now(), (platform.name, event.message_id, event.author, event.emoji)
        if event.removed:
            await self._writer.write(lambda: self._transcript.remove_reaction(*kept))
        else:
            await self._writer.write(lambda: self._transcript.add_reaction(*kept, now))


def _name(author: str) -> str:
    return _storable(plain_words(author))[:MAX_AUTHOR_CHARS] or "somebody"


def _storable(text: str) -> str:
    """Without halves of surrogate pairs, which platforms may send and nobody else takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
