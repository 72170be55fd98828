"""A person and one friend: reads a line, has it answered, and carries out commands."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from model_server.checkpoint_format import Manifest
from orchestrator.cast import read_show
from orchestrator.drawing import Drawn
from orchestrator.errors import OrchestratorError
from orchestrator.one_to_one.friends import Circle, FriendAt, LocalFriends
from orchestrator.one_to_one.fronts import Front, Pipe, Terminal
from orchestrator.one_to_one.keeping import Keeping
from orchestrator.one_to_one.names import known_people, own_name
from orchestrator.one_to_one.talk import Talk
from orchestrator.one_to_one.writing import Writing
from orchestrator.phrases import PhrasePicker, load_picker
from orchestrator.platforms.live_terminal.ink import can_be_live
from orchestrator.servers.session import server_session
from orchestrator.settings import Settings
from orchestrator.show import sampling_of
from orchestrator.talk.conversation import SEED_LIMIT
from orchestrator.talk.turn import Turn

HELP = {
    "switch": "/switch Juno: talk with Juno; each of them remembers their own talk with you",
    "friends": "whom there is to talk with",
    "again": "the last line in other words",
    "why": "why the last line was said: what was drawn, how, and what became of it",
    "me": "/me Priya: be Priya from now on",
    "forget": "begin anew, as if nothing had been said",
    "help": "this list",
    "quit": "end; so do Ctrl-D and Ctrl-C",
}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What the command line says. `friend` "" is the only one there is."""

    friend: str = ""
    settings: Path | None = None
    url: str | None = None
    my_name: str | None = None
    keep: Path | None = None


async def run_chat(options: ChatOptions) -> bool:
    """Talks until the input ends or somebody stops it; whether every line had an answer. Raises
    OrchestratorError."""
    chatting = asyncio.create_task(_chat(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, chatting.cancel)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    try:
        return await chatting
    except asyncio.CancelledError:
        return True


async def _chat(options: ChatOptions) -> bool:
    async with AsyncExitStack() as stack:
        keeping = stack.enter_context(Keeping.to(options.keep))
        place, session = await _place(options, stack)
        names = place.circle.names
        # spaCy takes as long to load as the server to start.
        settings = place.settings
        picker, (friend, manifest) = await asyncio.gather(
            asyncio.to_thread(load_picker, settings.phrases.pipeline, settings.language, names),
            place.circle.meet(options.friend or (names[0] if len(names) == 1 else "")),
        )
        # Before anything is drawn that would have to be taken away for the sentence.
        own_name(options.my_name, known_people(manifest, friend), friend)
        chat = Chat(place, session, picker, keeping, options.my_name)
        stack.push_async_callback(chat.front.close)
        await chat.begin(friend, manifest)
        return await chat.run()


@dataclass(frozen=True, slots=True)
class Place:
    """Whom there is to talk with, and how."""

    circle: Circle
    settings: Settings
    is_demo: bool


async def _place(
    options: ChatOptions, stack: AsyncExitStack
) -> tuple[Place, aiohttp.ClientSession]:
    """With it, the session in which its friends are asked."""
    if options.url is not None:
        session = await stack.enter_async_context(server_session(None))
        return Place(
            await FriendAt.reached(options.url, session), Settings(), is_demo=False
        ), session
    show = await asyncio.to_thread(read_show, options.settings, also_learning=True)
    session = await stack.enter_async_context(server_session(show))
    return Place(LocalFriends(show, session, stack), show.settings, show.is_demo), session


class Chat:
    """The talks of one person with the friends whom they switch between."""

    def __init__(
        self,
        place: Place,
        session: aiohttp.ClientSession,
        picker: PhrasePicker,
        keeping: Keeping,
        my_name: str | None,
    ) -> None:
        self._circle = place.circle
        self._settings = settings = place.settings
        self._is_demo = place.is_demo
        self._picker = picker
        self._keeping = keeping
        self._wished_name = my_name
        self._sampling = sampling_of(settings.generation)
        self._talks: dict[str, Talk] = {}
        self._talk: Talk | None = None
        self._me = ""
        self._answering: asyncio.Task[Drawn] | None = None
        self._running: asyncio.Task[bool] | None = None
        self._all_answered = True
        self.front: Front = self._terminal() if can_be_live() else Pipe()
        tell = self._draft if self.front.is_read else None
        banned = settings.generation.banned_words
        self._writing = Writing(place.circle, session, self._sampling, banned, tell)

    def _terminal(self) -> Front:
        arguments = {"switch": lambda: self._circle.names, "me": self._known}
        return Terminal(HELP, arguments, self._state, self.interrupt)

    async def begin(self, friend: str, manifest: Manifest) -> None:
        """Shows where one is. Raises OrchestratorError if nobody can be called so."""
        await self.front.open()
        self._turn_to(friend, manifest)
        if not self.front.is_read:
            return
        invented = ", who is invented" if self._is_demo else ""
        self.front.aside(
            f"You talk with {friend}{invented}. /help lists what you can do, Ctrl-C ends it. "
            f"{self._keeping.notice}"
        )
        if known := [name for name in self._known() if name != self._me]:
            self.front.aside(
                f"{friend} sees you as {self._me}, and has read {', '.join(known)} in the export: "
                f"/me {known[0]} makes you {known[0]}."
            )

    async def run(self) -> bool:
        """Answers until the lines end; whether all were answered."""
        self._running = asyncio.current_task()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows: see cli.py
            loop.add_signal_handler(signal.SIGINT, self.interrupt)
        async for text in self.front.lines():
            if text.startswith("/"):
                name, _, argument = text[1:].partition(" ")
                if name.casefold() in ("quit", "exit"):
                    break
                await self._carry_out(name.casefold(), argument.strip())
            elif text:
                await self._answer(text)
        return self._all_answered

    def interrupt(self) -> None:
        """Ctrl-C: stops the answer that is being written, or else ends the talk."""
        if self._answering is not None:
            self._answering.cancel()
        elif self._running is not None:
            self._running.cancel()

    # --- lines --------------------------------------------------------------------------------

    async def _answer(self, text: str) -> None:
        talk = self._present
        self.front.person(self._me, text)
        self._keeping.add(self._me, text)
        drawn = await self._drawn(talk.heard(self._me, text))
        answer = talk.answered(drawn) if drawn else None
        if answer is None:
            self._all_answered = False
            self.front.nothing()
            self._tell_why_not(drawn)
        else:
            self._show(answer)

    async def _drawn(self, turn: Turn) -> Drawn | None:
        """None if Ctrl-C stopped it."""
        self._answering = asyncio.create_task(self._writing.answer(self._present, turn))
        self.front.refresh()
        try:
            await asyncio.wait([self._answering])
            return None if self._answering.cancelled() else self._answering.result()
        finally:
            self._answering.cancel()
            self._answering = None
            self.front.refresh()

    def _show(self, answer: str) -> None:
        friend = self._present.friend
        self.front.friend(friend, self._circle.color_of(friend), answer)
        self._keeping.add(friend, answer)

    def _tell_why_not(self, drawn: Drawn | None) -> None:
        friend = self._present.friend
        problem = f"{friend} has no answer: {drawn.problem}." if drawn else "Stopped."
        self.front.aside(problem)

    # --- commands -------------------------------------------------------------------------------

    async def _carry_out(self, name: str, argument: str) -> None:
        commands: Mapping[str, Callable[[str], Awaitable[str]]] = {
            "switch": self._switch, "friends": self._friends, "again": self._again,
            "why": self._why, "me": self._be, "forget": self._forget, "help": self._help,
        }  # fmt: skip
        command = commands.get(name)
        if command is None:
            self.front.aside(f"There is no /{name}; there are {', '.join('/' + n for n in HELP)}.")
            return
        try:
            if answer := await command(argument):
                self.front.aside(answer)
        except OrchestratorError as error:
            self.front.aside(str(error))

    async def _switch(self, name: str) -> str:
        friend, manifest = await self._circle.meet(name)
        self._turn_to(friend, manifest)
        return f"You talk with {friend} now, as {self._me}."

    async def _friends(self, _: str) -> str:
        return f"There are {', '.join(self._circle.names)}; you talk with {self._present.friend}."

    async def _again(self, _: str) -> str:
        turn = self._present.once_more()
        if turn is None:
            return "There is no line yet that could be said anew."
        drawn = await self._drawn(turn)
        answer = self._present.reworded(drawn) if drawn else None
        if answer is None:
            self._tell_why_not(drawn)
        else:
            self._show(answer)
        return ""

    async def _why(self, _: str) -> str:
        return self._present.why() or "There is no line yet that could be explained."

    async def _be(self, name: str) -> str:
        self._me = own_name(name, self._known(), self._present.friend)
        self._wished_name = self._me
        return f"{self._present.friend} sees you as {self._me} now."

    async def _forget(self, _: str) -> str:
        self._present.forget()
        return f"{self._present.friend} has forgotten what you two said."

    async def _help(self, _: str) -> str:
        return "\n".join(f"/{name:<8} {text}" for name, text in HELP.items())

    # --- where one is -----------------------------------------------------------------------------

    def _turn_to(self, friend: str, manifest: Manifest) -> None:
        self._me = own_name(self._wished_name, known_people(manifest, friend), friend)
        if friend not in self._talks:
            self._talks[friend] = Talk(
                friend, manifest, self._settings, self._picker, self._sampling,
                random.SystemRandom().randrange(SEED_LIMIT), lambda: datetime.now(UTC),
            )  # fmt: skip
            if manifest.in_training:
                self.front.aside(
                    f"{friend} is still learning and speaks as of step {manifest.step}."
                )
        self._talk = self._talks[friend]

    @property
    def _present(self) -> Talk:
        assert self._talk is not None
        return self._talk

    def _known(self) -> list[str]:
        return list(known_people(self._present.manifest, self._present.friend))

    def _state(self) -> str:
        if self._talk is None:
            return ""
        if self._answering is not None:
            return f"{self._talk.friend} writes, Ctrl-C stops it"
        return f"{self._me} and {self._talk.friend} · {self._keeping.notice}"

    def _draft(self, text: str) -> None:
        self.front.draft(self._present.friend, text)
