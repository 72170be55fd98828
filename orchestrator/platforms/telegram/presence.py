"""Whether the bots are in the group and may write there: found out at the start, kept up from what
Telegram tells, and tried again while it is not so. Follows the group to its new id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from telegram import ChatMember
from telegram.constants import ChatAction

from orchestrator.errors import StageLost
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.connection import Connection
from orchestrator.platforms.telegram.delivery import Place
from orchestrator.platforms.telegram.entrance import IN_GROUP, enter
from orchestrator.platforms.telegram.errors import Flooded, Moved, RequestFailed, Withheld, outcome
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.telegram.standing import Standing

log = logging.getLogger(__name__)

REMEDY = "; let the bot into the group again, and let it write there"


class Presence:
    """Of the show's bot, and of `accounts`: those of friends who have their own. `lose` is told
    what ends it for good."""

    def __init__(
        self,
        name: str,
        settings: TelegramStage,
        accounts: Mapping[str, Account],
        lose: Callable[[StageLost], None],
    ) -> None:
        self.place = Place(settings.chat or 0)
        self.title = ""
        """The group's, once it is known."""
        self.standing = Standing(
            name, self._probe, self._lose, self._recovered, self.move, REMEDY
        )  # fmt: skip
        self.known = asyncio.Event()
        """Set as soon as the show need not wait any longer to know how things stand."""
        self._name = name
        self._settings = settings
        self._accounts = accounts
        self._tell_of_loss = lose
        self._absent: frozenset[str] = frozenset()
        self._connection: Connection | None = None

    def own(self, friend: str) -> Account | None:
        """The friend's own account, if it is in the group."""
        return None if friend in self._absent else self._accounts.get(friend)

    def lose(self, error: StageLost) -> None:
        """It is over, as somebody else has found out."""
        self.standing.lose(error)
        self.known.set()

    # --- the start ------------------------------------------------------------------------------

    async def begin(self, connection: Connection, register: Callable[[], Awaitable[None]]) -> None:
        """Asks who the bots are and whether they are in the group until Telegram answers; then the
        connection asks for news. `register` is called along with it; it may raise RequestFailed."""
        self._connection = connection
        try:
            while not await self._is_set_up(register):
                await self.standing.well.wait()
        except StageLost as error:
            self._lose(error)
            return
        connection.start()
        self.known.set()

    async def _is_set_up(self, register: Callable[[], Awaitable[None]]) -> bool:
        try:
            for account in (self._main, *self._accounts.values()):
                if account.me is None:
                    await account.introduce()
            if self._settings.chat is not None:
                await self._enter()
            await register()
        except Moved as error:
            self.move(error.chat_id)
            return await self._is_set_up(register)
        except Flooded as error:
            self.known.set()
            await asyncio.sleep(error.seconds)
            return False
        except RequestFailed as error:
            self.known.set()  # the show need not wait for it
            self.standing.unreachable(str(error))
            return False
        return True

    async def _enter(self) -> None:
        chat_id, commands = self.place.chat_id, self._settings.commands
        try:
            group = await enter(self._main, self._accounts, chat_id, commands)
        except Withheld as error:
            self.standing.open()
            self.standing.refused(f"Telegram refuses ({error})")
            return
        self._absent = group.absent
        self.title = group.title
        self.standing.open()

    # --- later ----------------------------------------------------------------------------------

    def on_membership(self, member: ChatMember) -> None:
        """Somebody let the bot in, or put it out."""
        if member.status in IN_GROUP:
            self.standing.look()
        else:
            self.standing.refused("the bot was put out of the group")

    def move(self, chat_id: int) -> None:
        """The group has another id by now."""
        if chat_id == self.place.chat_id:
            return
        log.warning(
            "%s: the group has become a supergroup, and the show goes on there; put its new id "
            "into settings.toml: chat = %d", self._name, chat_id,
        )  # fmt: skip
        self.place.chat_id = chat_id
        self.standing.look()

    @property
    def _main(self) -> Account:
        assert self._connection is not None
        return self._connection.account

    async def _probe(self) -> None:
        with outcome(self._main.what):
            if self._settings.chat is None or self._main.me is None:
                await self._main.bot.get_me()
            else:
                await self._main.bot.send_chat_action(self.place.chat_id, ChatAction.TYPING)

    def _recovered(self) -> None:
        if self._connection is not None:
            self._connection.wake()

    def _lose(self, error: StageLost) -> None:
        self.lose(error)
        self._tell_of_loss(error)
