"""One person in a private chat, and the friend whom they talk with at the moment.

Each friend remembers their own talk with the person, as long as the program runs.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from telegram import InlineKeyboardMarkup

from orchestrator.backstage import Backstage
from orchestrator.drawing import Drawing, Drawn
from orchestrator.errors import OrchestratorError, StageFailed, StageLost
from orchestrator.one_to_one.names import known_people, own_name
from orchestrator.one_to_one.talk import Talk
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.delivery import Delivery
from orchestrator.platforms.telegram.desk import friend_buttons
from orchestrator.platforms.telegram.typing_sign import keep_typing
from orchestrator.platforms.telegram.wording import Words, fitted
from orchestrator.show import sampling_of
from orchestrator.talk.conversation import SEED_LIMIT
from orchestrator.talk.turn import Turn

log = logging.getLogger(__name__)

SWITCH_BUTTON = "switch:"
MOST_WAITING = 5
"""Lines and commands that wait for an answer; whoever writes faster is told to wait."""
REMEMBERED_MESSAGES = 100
"""Whose later edits are heeded."""
ONLY_TEXT = "I can only read text."
UNKNOWN = "There is no /{command} in private; /help lists what there is."
WENT_WRONG = "Something went wrong with that; the log of the program says what."
SLOWLY = "One at a time, please: I was still thinking, and did not read all that you wrote."
PRIVACY = "What we say here stays in this program's memory until it ends; the show never sees it."
NAMELESS = "You"

Step = Callable[[], Awaitable[None]]


class Correspondent:
    """Answers one person, one line after the other."""

    def __init__(
        self,
        backstage: Backstage,
        account: Account,
        delivery: Delivery,
        commands: Mapping[str, str],
    ) -> None:
        self.name = NAMELESS
        self._backstage = backstage
        self._account = account
        self._delivery = delivery
        self._commands = commands
        self._settings = backstage.show.settings
        self._sampling = sampling_of(self._settings.generation)
        self._talks: dict[str, Talk] = {}
        self._friend = backstage.show.friends[0].name
        self._heard: OrderedDict[int, tuple[Talk, int]] = OrderedDict()
        self._waiting: asyncio.Queue[Step] = asyncio.Queue(MOST_WAITING)
        self._left_out = 0
        self._drawing: asyncio.Task[Drawn] | None = None
        self._worker = asyncio.create_task(self._work())

    def hear(self, message_id: int, text: str) -> None:
        """The person wrote something."""
        if not text.strip():
            self._then(lambda: self._tell(ONLY_TEXT))
        else:
            self._then(lambda: self._answer(message_id, text))

    def reword(self, message_id: int, text: str) -> None:
        """The person mended what they wrote; the friend sees it so from now on."""
        if message_id in self._heard and text.strip():
            talk, line_id = self._heard[message_id]
            talk.conversation.reworded(line_id, text, self._backstage.picker)

    def command(self, name: str, argument: str) -> None:
        """The person typed a command, or pressed a button that stands for one."""
        steps: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "start": self._start, "switch": self._told_of_switch, "friends": self._list_friends,
            "again": self._again, "why": self._why, "forget": self._forget, "help": self._help,
        }  # fmt: skip
        step = steps.get(name)
        if step is None:
            self._then(lambda: self._tell(UNKNOWN.format(command=name)))
            return
        if name == "switch" and self._switch(argument) and self._drawing is not None:
            # At once: nobody waits for what the one before was about to say.
            self._drawing.cancel()
        self._then(lambda: step(argument))

    async def close(self) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    # --- one after the other --------------------------------------------------------------------

    def _then(self, step: Step) -> None:
        try:
            self._waiting.put_nowait(step)
        except asyncio.QueueFull:
            self._left_out += 1

    async def _work(self) -> None:
        while True:
            step = await self._waiting.get()
            try:
                await step()
                if self._left_out:
                    self._left_out = 0
                    await self._tell(SLOWLY)
            except StageLost as error:
                log.error("%s", error)
                return
            except StageFailed as error:
                log.warning("private chat: %s", error)
            except Exception:
                # One line that goes wrong must not make the friends deaf to this person.
                log.exception("private chat")
                with suppress(StageFailed):
                    await self._tell(WENT_WRONG)

    async def _tell(self, text: str, buttons: InlineKeyboardMarkup | None = None) -> None:
        await self._delivery.send(self._account, Words(fitted(text)), silent=False, buttons=buttons)

    # --- lines ----------------------------------------------------------------------------------

    async def _answer(self, message_id: int, text: str) -> None:
        talk = self._talk()
        turn = talk.heard(self._me(talk), text)
        if turn.answers is not None:
            self._heard[message_id] = (talk, turn.answers)
            if len(self._heard) > REMEMBERED_MESSAGES:
                self._heard.popitem(last=False)
        drawn = await self._drawn(talk, turn)
        if drawn is not None:
            await self._say(talk, drawn, talk.answered(drawn))

    async def _again(self, _: str) -> None:
        talk = self._talk()
        turn = talk.once_more()
        if turn is None:
            await self._tell("There is no line yet that could be said anew.")
        elif drawn := await self._drawn(talk, turn):
            await self._say(talk, drawn, talk.reworded(drawn))

    async def _drawn(self, talk: Talk, turn: Turn) -> Drawn | None:
        """None if the person has turned to somebody else meanwhile."""
        typing = asyncio.create_task(keep_typing(self._account, self._delivery.place))
        drawing = Drawing(
            talk.conversation, self._backstage.friends, self._sampling, _nothing_changes
        )
        self._drawing = asyncio.create_task(drawing.draw(turn))
        try:
            await asyncio.wait((self._drawing,))
            return None if self._drawing.cancelled() else self._drawing.result()
        finally:
            self._drawing.cancel()
            self._drawing = None
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)

    async def _say(self, talk: Talk, drawn: Drawn, text: str | None) -> None:
        if text is None:
            await self._tell(f"{talk.friend} has no answer: {drawn.problem}.")
        else:
            await self._tell(text)

    def _talk(self) -> Talk:
        """With the friend of the moment."""
        if self._friend not in self._talks:
            self._talks[self._friend] = Talk(
                self._friend, self._backstage.friends.manifest_of(self._friend), self._settings,
                self._backstage.picker, self._sampling,
                random.SystemRandom().randrange(SEED_LIMIT), lambda: datetime.now(UTC),
            )  # fmt: skip
        return self._talks[self._friend]

    def _me(self, talk: Talk) -> str:
        """As whom the friend sees the person: as in the export, if it knows that name."""
        try:
            return own_name(self.name, known_people(talk.manifest, talk.friend), talk.friend)
        except OrchestratorError:  # no name for a line of chat
            return NAMELESS

    # --- commands -------------------------------------------------------------------------------

    def _switch(self, wanted: str) -> bool:
        wanted = wanted.removeprefix("@")
        for friend in self._backstage.show.friends:
            if wanted.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}:
                self._friend = friend.name
                return True
        return False

    async def _told_of_switch(self, wanted: str) -> None:
        if self._switch(wanted):
            await self._tell(f"You talk with {self._friend} now.")
        else:
            problem = f"Nobody is called {wanted!r}" if wanted else "Say with whom"
            await self._tell(f"{problem}:", self._buttons())

    async def _list_friends(self, _: str) -> None:
        await self._tell(f"You talk with {self._friend}. With whom else?", self._buttons())

    def _buttons(self) -> InlineKeyboardMarkup:
        return friend_buttons(self._backstage.show, SWITCH_BUTTON)

    async def _start(self, _: str) -> None:
        await self._tell(f"You talk with {self._friend}. {PRIVACY}", self._buttons())

    async def _why(self, _: str) -> None:
        await self._tell(self._talk().why() or "There is no line yet that could be explained.")

    async def _forget(self, _: str) -> None:
        self._talk().forget()
        self._heard.clear()
        await self._tell(f"{self._friend} has forgotten what you two said.")

    async def _help(self, _: str) -> None:
        known = "\n".join(f"/{name}: {text}" for name, text in self._commands.items())
        await self._tell(f"{known}\n\n{PRIVACY}")


async def _nothing_changes(attempt: int) -> int:
    """Nobody else takes part, so candidates are judged as they came."""
    return 0
