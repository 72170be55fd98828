"""Which way to appear: the one in the settings, or the best that tokens and permissions allow."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from orchestrator.errors import StageLost
from orchestrator.platforms.discord.connection import Connection
from orchestrator.platforms.discord.errors import Withheld
from orchestrator.platforms.discord.requirements import Writable, may_manage_webhooks
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.discord.voices import AccountVoice, Voice
from orchestrator.platforms.discord.webhooks import Face, WebhookVoice

log = logging.getLogger("orchestrator.show")
"""Whose words whoever started the show gets to read."""

BY_NAMES = "by their names before their lines"


class Chooser:
    """Has the voice of the stage, and another once that is better or the one in use is refused."""

    def __init__(
        self,
        settings: DiscordStage,
        stage: str,
        connection: Connection,
        accounts: Mapping[str, Connection],
        faces: Mapping[str, Face],
    ) -> None:
        self.voice: Voice | None = None
        self.why = ""
        """In which way the friends appear, and why, in words."""
        self.without_webhooks = False
        """Whether they turned out not to be possible."""
        self._settings = settings
        self._stage = stage
        self._connection = connection
        self._accounts = accounts
        self._faces = faces

    async def choose(self, channel: Writable) -> None:
        """Sets `voice`. Raises RequestFailed if Discord cannot be asked, StageLost if the way in
        the settings can never be."""
        wanted = self._settings.appearance
        if wanted == "bots" or (wanted == "auto" and self._accounts):
            await self._by_accounts("as bots of their own" + self._without_account())
        elif wanted == "single":
            await self._by_accounts(f"{BY_NAMES}, as the settings say")
        elif not may_manage_webhooks(channel):
            # That explains an earlier refusal, which ends with it.
            self.without_webhooks = False
            await self._by_accounts(
                f"{BY_NAMES}; with the permission Manage Webhooks each would have a name and a "
                "picture"
            )
        elif self.without_webhooks:
            await self._by_accounts(f"{BY_NAMES}, as webhooks are refused")
        elif not isinstance(self.voice, WebhookVoice):
            await self._by_webhooks(channel)

    async def _by_webhooks(self, channel: Writable) -> None:
        voice = WebhookVoice(channel, self._connection, self._faces)
        try:
            await voice.prepare()
        except Withheld as error:
            await voice.close()
            if self._settings.appearance == "webhook":
                raise StageLost(
                    f'This server gives no webhooks ({error}): put appearance = "single" into '
                    "the settings."
                ) from error
            self.without_webhooks = True
            await self._by_accounts(f"{BY_NAMES}, as this server gives no webhooks ({error})")
            return
        await self._take(voice, "by webhooks, each with a name and a picture")

    async def _by_accounts(self, why: str) -> None:
        if not isinstance(self.voice, AccountVoice):
            voice = AccountVoice(self._settings.channel, self._connection, self._accounts)
            await self._take(voice, why)

    async def _take(self, voice: Voice, why: str) -> None:
        await self.close()
        self.voice, self.why = voice, why
        log.info("%s: the friends appear %s.", self._stage, why)

    async def close(self) -> None:
        if self.voice is not None:
            await self.voice.close()

    def _without_account(self) -> str:
        others = [name for name in self._faces if name not in self._accounts]
        return f"; without one: {', '.join(others)}" if others else ""
