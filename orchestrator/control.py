"""What people may do to the show, the same on every platform."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from orchestrator.talk.conversation import Conversation
from orchestrator.talk.waiting import TOPIC_LINES

HELP = {
    "pause": "nobody speaks until /resume",
    "resume": "goes on after /pause",
    "topic": "/topic pizza for 8 lines: what they talk about, less and less; /topic off ends it",
    "ask": "/ask Dex pizza: Dex speaks next, about it",
    "mute": "/mute Dex: Dex is silent until /unmute Dex",
    "unmute": "/unmute Dex",
    "pace": "/pace 2: twice as fast; /pace 0.5: half as fast",
    "again": "the last line is said anew",
    "oops": "the last line is taken back, and not said again",
    "why": "why the last line was said; /why 12 for another one",
    "status": "who is there and what is going on",
    "help": "this list",
}
SLOWEST, FASTEST = 0.05, 20.0
MOST_TOPIC_LINES = 1000
MOST_TOPIC_CHARS = 200
FOR_LINES = re.compile(r"\s+for\s+(\d{1,18})\s+lines?\s*$", re.IGNORECASE)
LONGEST_NUMBER = 18
"""Digits of a number of a line; SQLite takes one more."""
ENDS_A_TOPIC = frozenset({"off", "none", "nothing", "stop"})


class Refused(Exception):
    """A command that cannot be carried out; the message says what can."""


class Changed(NamedTuple):
    """A friend's line that people had changed or taken back."""

    line: int
    speaker: str


class CarriedOut(NamedTuple):
    """What a command came to: what to tell people, and the line that it changed, if any."""

    answer: str
    line: int | None = None


class Actions(Protocol):
    """What the show itself does for people. A line is named by its id; None is the last one of a
    friend. All raise Refused if there is no such line."""

    def why(self, line_id: int | None) -> str:
        """Why the line was said, in words."""
        ...

    async def take_back(self, line_id: int | None) -> Changed:
        """Unsays the line for good."""
        ...

    async def say_anew(self, line_id: int | None) -> Changed:
        """Says something else in its place."""
        ...

    def state(self, friend: str) -> str:
        """How the friend's model server is, in words; "" if all is well."""
        ...

    def doing(self) -> str:
        """What the show is about at the moment: who thinks, or why nobody speaks."""
        ...


@dataclass(slots=True)
class Control:
    """State that people steer, and the commands that steer it."""

    conversation: Conversation
    actions: Actions
    running: asyncio.Event = field(default_factory=asyncio.Event)
    pace: float = 1.0
    changed: Callable[[], None] = lambda: None
    """Called after a change that whoever waits should hear of."""

    def __post_init__(self) -> None:
        self.running.set()

    async def carry_out(self, name: str, argument: str) -> CarriedOut:
        """Does what is asked in words, as in "/topic pizza", and says what was done. Raises
        Refused."""
        command = self._commands().get(name)
        if command is None:
            raise Refused(f"There is no /{name}; there are {', '.join('/' + n for n in HELP)}.")
        answer = command(argument.strip())
        done = CarriedOut(answer) if isinstance(answer, str) else await answer
        self.changed()
        return done

    def keep(self, name: str, argument: str) -> None:
        """Does one of the commands that only change what holds. Raises Refused."""
        answer = self._commands()[name](argument.strip())
        assert isinstance(answer, str)

    def _commands(self) -> Mapping[str, Callable[[str], str | Awaitable[CarriedOut]]]:
        return {
            "pause": lambda _: self.pause(),
            "resume": lambda _: self.resume(),
            "topic": self._topic_in_words,
            "ask": lambda text: self.ask(*self._friend_and_rest(text)),
            "mute": self.mute,
            "unmute": self.unmute,
            "pace": self._pace_in_words,
            "again": lambda text: self.again(_line_id(text)),
            "oops": lambda text: self.oops(_line_id(text)),
            "why": lambda text: self.why(_line_id(text)),
            "status": lambda _: self.status(),
            "help": lambda _: "\n".join(f"/{name:<8} {text}" for name, text in HELP.items()),
        }

    # Each of these does one thing and says what it did; all raise Refused.

    def pause(self) -> str:
        self.running.clear()
        return "Paused; /resume goes on."

    def resume(self) -> str:
        self.running.set()
        return "On with the show."

    def topic(self, topic: str, lines: int = TOPIC_LINES) -> str:
        """Sets what the next lines are about; "" or "off" ends it."""
        if not 1 <= lines <= MOST_TOPIC_LINES:
            raise Refused(f"A topic lasts 1 to {MOST_TOPIC_LINES} lines: /topic pizza for 8 lines")
        if not topic or topic.casefold() in ENDS_A_TOPIC:
            self.conversation.set_topic("")
            return "No topic."
        _check_length(topic)
        self.conversation.set_topic(topic, lines)
        return f"Next: {topic}."

    def _topic_in_words(self, text: str) -> str:
        if not text:
            raise Refused("A topic is missing: /topic pizza")
        count = FOR_LINES.search(text)
        return self.topic(FOR_LINES.sub("", text), int(count[1]) if count else TOPIC_LINES)

    def ask(self, friend: str, topic: str = "") -> str:
        name = self._friend(friend)
        _check_length(topic)
        self.conversation.wish(topic, name)
        return f"{name} speaks next."

    def mute(self, friend: str) -> str:
        name = self._friend(friend)
        self.conversation.muted.add(name)
        return f"{name} is silent until /unmute {name}."

    def unmute(self, friend: str) -> str:
        name = self._friend(friend)
        self.conversation.muted.discard(name)
        return f"{name} may speak again."

    def set_pace(self, pace: float) -> str:
        if not SLOWEST <= pace <= FASTEST:
            raise Refused(f"A pace is a number from {SLOWEST} to {FASTEST}: /pace 2")
        self.pace = pace
        return f"Pace {pace:g}."

    def _pace_in_words(self, text: str) -> str:
        try:
            return self.set_pace(float(text))
        except ValueError:
            return self.set_pace(0.0)

    async def again(self, line_id: int | None = None) -> CarriedOut:
        line, speaker = await self.actions.say_anew(line_id)
        return CarriedOut(f"{speaker} has tried again.", line)

    async def oops(self, line_id: int | None = None) -> CarriedOut:
        line, speaker = await self.actions.take_back(line_id)
        return CarriedOut(f"{speaker}'s line is taken back and will not come again.", line)

    def why(self, line_id: int | None = None) -> str:
        return self.actions.why(line_id)

    def status(self) -> str:
        talk = self.conversation
        state = "running" if self.running.is_set() else "paused"
        parts = [f"{state}, pace {self.pace:g}: {', '.join(map(self._called, talk.members))}"]
        if talk.topic:
            parts.append(f"topic: {talk.topic}")
        if talk.people_waiting:
            parts.append(f"{talk.people_waiting} of your lines wait for an answer")
        if doing := self.actions.doing():
            parts.append(doing)
        return "; ".join(parts)

    def _called(self, friend: str) -> str:
        state = "muted" if friend in self.conversation.muted else self.actions.state(friend)
        return f"{friend} ({state})" if state else friend

    def _friend(self, name: str) -> str:
        for friend in self.conversation.members.values():
            if name.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}:
                return friend.name
        problem = f"Nobody is called {name!r}" if name else "A name is missing"
        raise Refused(f"{problem}; there are {', '.join(self.conversation.members)}.")

    def _friend_and_rest(self, text: str) -> tuple[str, str]:
        """ "Big Al pizza" is the friend Big Al and pizza: names may have spaces."""
        names = (n for m in self.conversation.members.values() for n in (m.name, *m.aliases))
        for name in sorted(names, key=len, reverse=True):
            rest = text[len(name) :]
            if text.casefold().startswith(name.casefold()) and rest[:1] in ("", " "):
                return name, rest.strip()
        name, _, rest = text.partition(" ")
        return name, rest.strip()


def _check_length(topic: str) -> None:
    if len(topic) > MOST_TOPIC_CHARS:
        raise Refused(f"A topic has at most {MOST_TOPIC_CHARS} characters: /topic pizza")


def _line_id(text: str) -> int | None:
    if not text or text.casefold() == "last":
        return None
    number = text.lstrip("#")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER:
        raise Refused(f"{text!r} is no line's number; leave it out for the last line.")
    return int(number)
