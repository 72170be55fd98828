"""Who may use a command in the group: checked at each use, whatever Telegram offers to whom.

Administrators are asked for by getChatAdministrators: getChatMember is only sure to tell of others
to a bot that is an administrator itself.
https://core.telegram.org/bots/api#getchatadministrators
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from telegram import Message, User

from orchestrator.platforms.command_settings import EVERYONE, NOBODY, CommandName
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.command_settings import (
    ADMINISTRATORS,
    Access,
    CommandSettings,
)
from orchestrator.platforms.telegram.delivery import Place
from orchestrator.platforms.telegram.errors import RequestFailed, outcome

REMEMBERED_SECONDS = 60.0
"""Who was an administrator is taken for one for so long."""
AGAIN_SECONDS = 5.0
"""For who was none, Telegram is asked again after these: they may just have become one."""
PATIENCE_SECONDS = 5.0
"""Lines of people wait behind a command, so Telegram gets no longer to answer."""
NOT_TOLD = "Telegram does not say who is an administrator at the moment; please try again."


class Asker(NamedTuple):
    """Who gave a command. `person` is None for somebody who writes in the name of a channel."""

    person: int | None
    is_group: bool = False
    """An administrator who writes in the name of the group."""


def asker_of(message: Message) -> Asker:
    if message.sender_chat is not None:
        return Asker(None, is_group=message.sender_chat.id == message.chat.id)
    return asker(message.from_user)


def asker(user: User | None) -> Asker:
    return Asker(user.id if user else None)


class Doorkeeper:
    """Knows who may do what in one group."""

    def __init__(self, account: Account, place: Place, settings: CommandSettings) -> None:
        self._account = account
        self._place = place
        self._settings = settings
        self._administrators: frozenset[int] = frozenset()
        self._known_at = self._failed_at = float("-inf")

    async def objection(self, asker: Asker, command: CommandName, called: str = "") -> str:
        """Why this person may not use the command, which the sentence to them calls as here; "" if
        they may. Raises StageLost."""
        access = self._settings.access(command)
        try:
            is_welcome = await self._may(asker, access)
        except (RequestFailed, TimeoutError):
            return NOT_TOLD
        return "" if is_welcome else _sorry(called or command, access)

    async def allowed(self, asker: Asker, commands: Collection[CommandName]) -> list[CommandName]:
        """Those that this person may use. Raises StageLost."""
        welcome: dict[Access, bool] = {}
        for command in commands:
            access = self._settings.access(command)
            if access not in welcome:
                welcome[access] = not await self.objection(asker, command)
        return [command for command in commands if welcome[self._settings.access(command)]]

    async def _may(self, asker: Asker, access: Access) -> bool:
        if access == NOBODY:
            return False
        if access == EVERYONE or asker.is_group:
            return True
        if asker.person is None:
            return False
        is_named = access != ADMINISTRATORS and asker.person in access
        return is_named or await self._is_administrator(asker.person)

    async def _is_administrator(self, person: int) -> bool:
        now = asyncio.get_running_loop().time()
        is_known = person in self._administrators
        if now - self._known_at >= (REMEMBERED_SECONDS if is_known else AGAIN_SECONDS):
            if now - self._failed_at < AGAIN_SECONDS:
                raise TimeoutError  # as it just has
            await self._ask()
        return person in self._administrators

    async def _ask(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                with outcome(self._account.what):
                    found = await self._account.bot.get_chat_administrators(self._place.chat_id)
        except (RequestFailed, TimeoutError):
            self._failed_at = now()
            raise
        self._administrators = frozenset(member.user.id for member in found)
        self._known_at, self._failed_at = now(), float("-inf")


def _sorry(command: str, access: Access) -> str:
    if access == NOBODY:
        return f"Sorry, /{command} is switched off here."
    if access == ADMINISTRATORS:
        return f"Sorry, /{command} is for this group's administrators."
    return f"Sorry, /{command} is for this group's administrators, and people whom my owner named."
