"""What people may do to the show, the same on every platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.conversation import Conversation

HELP = {
    "pause": "nobody speaks until /resume",
    "resume": "goes on after /pause",
    "topic": "/topic pizza: the next line is about it",
    "ask": "/ask Dex pizza: Dex speaks next, about it",
    "mute": "/mute Dex: Dex is silent until /unmute Dex",
    "unmute": "/unmute Dex",
    "pace": "/pace 2: twice as fast; /pace 0.5: half as fast",
    "again": "the last line is taken back and said anew",
    "oops": "the last line is taken back",
    "why": "why the last line was said",
    "status": "who is there and what is going on",
    "help": "this list",
}
SLOWEST, FASTEST = 0.05, 20.0


class Refused(Exception):
    """A command that cannot be carried out; the message says what can."""


@dataclass(slots=True)
class Control:
    """State that people steer, and the commands that steer it.

    `why` tells the reason of the last line, `take_back` unsays it and names its speaker;
    both are the show's, since they reach into transcript and platforms.
    """

    conversation: Conversation
    why: Callable[[], str]
    take_back: Callable[[], Any]
    running: asyncio.Event = field(default_factory=asyncio.Event)
    pace: float = 1.0

    def __post_init__(self) -> None:
        self.running.set()

    async def carry_out(self, name: str, argument: str) -> str:
        """Does what is asked and says what was done. Raises Refused."""
        if name not in HELP:
            raise Refused(f"There is no /{name}; there are {', '.join('/' + n for n in HELP)}.")
        answer = getattr(self, f"_{name}")(argument)
        return str(await answer if asyncio.iscoroutine(answer) else answer)

    def _pause(self, argument: str) -> str:
        self.running.clear()
        return "Paused; /resume goes on."

    def _resume(self, argument: str) -> str:
        self.running.set()
        return "On with the show."

    def _topic(self, argument: str) -> str:
        if not argument:
            raise Refused("A topic is missing: /topic pizza")
        self.conversation.wish(argument)
        return f"Next: {argument}."

    def _ask(self, argument: str) -> str:
        name, _, topic = argument.partition(" ")
        friend = self._friend(name)
        self.conversation.wish(topic.strip(), friend)
        return f"{friend} speaks next."

    def _mute(self, argument: str) -> str:
        friend = self._friend(argument)
        self.conversation.muted.add(friend)
        return f"{friend} is silent until /unmute {friend}."

    def _unmute(self, argument: str) -> str:
        friend = self._friend(argument)
        self.conversation.muted.discard(friend)
        return f"{friend} may speak again."

    def _pace(self, argument: str) -> str:
        try:
            pace = float(argument)
        except ValueError:
            pace = 0.0
        if not SLOWEST <= pace <= FASTEST:
            raise Refused(f"A pace is a number from {SLOWEST} to {FASTEST}: /pace 2")
        self.pace = pace
        return f"Pace {pace:g}."

    async def _again(self, argument: str) -> str:
        speaker, topic = await self.take_back()
        self.conversation.wish(topic, speaker)
        return f"{speaker} tries again."

    async def _oops(self, argument: str) -> str:
        speaker, _ = await self.take_back()
        return f"{speaker}'s last line is taken back."

    def _why(self, argument: str) -> str:
        return self.why()

    def _status(self, argument: str) -> str:
        silent = self.conversation.muted
        names = [
            f"{name} (muted)" if name in silent else name for name in self.conversation.members
        ]
        state = "running" if self.running.is_set() else "paused"
        return f"{state}, pace {self.pace:g}: {', '.join(names)}"

    def _help(self, argument: str) -> str:
        return "\n".join(f"/{name:<8} {text}" for name, text in HELP.items())

    def _friend(self, name: str) -> str:
        for friend in self.conversation.members.values():
            if name.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}:
                return friend.name
        raise Refused(
            f"Nobody is called {name!r}; there are {', '.join(self.conversation.members)}."
        )
