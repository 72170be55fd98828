"""One bot account's connection to Discord: kept up for weeks, shared by all stages of its token.

Knows nothing of friends and lines. Where discord.py gives up or would wait for long, a fresh client
takes over; what was missed meanwhile, its listeners read from the channels' history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from pydantic import SecretStr

from orchestrator.errors import StageLost
from orchestrator.platforms.backoff import Backoff
from orchestrator.platforms.discord.errors import NotTaken
from orchestrator.platforms.discord.gateway_client import GatewayClient, Listener

log = logging.getLogger(__name__)
show_log = logging.getLogger("orchestrator.show")
"""Whose words whoever started the show gets to read."""

RESUMABLE_SECONDS = 60.0
"""Without a connection for so long, a fresh client is made: discord.py's own pauses grow to a
quarter of an hour, and Discord no longer knows the session by then."""
GUILD_WAIT_SECONDS = 0.5
"""Between two servers of the bot at the start; one that comes later is taken in as it comes."""
TOKEN_REFUSED, INTENTS_REFUSED = 4004, 4014
FATAL_CLOSES = {
    TOKEN_REFUSED: "Discord does not take the token of {what}: make a new one (Reset Token on "
    "the page of the bot in the developer portal), put it in the old one's place, and start again.",
    4010: "Discord refuses the shard of {what}, which is none of this program's doing.",
    4011: "Discord wants {what} to be sharded: it is in too many servers for a show.",
    4012: "Discord no longer speaks the version of its gateway that this discord.py does; "
    "update it with: pip install --upgrade discord.py",
    4013: "Discord refuses the intents of {what}; update discord.py.",
}
WITHOUT_CONTENT = (
    "%s may not read what people write (Message Content Intent is off on its page in the developer "
    "portal, under Bot): it hears only mentions of itself and replies to its own lines. Switch it "
    "on there and start again to have all heard."
)
NETWORK_TROUBLE = (OSError, aiohttp.ClientError, TimeoutError, discord.GatewayNotFound)


class Connection:
    """An account that is kept connected from `start` to `stop`. `client` is the discord.py client
    of the moment; it is another one after long trouble. `client_made` are told of each, before it
    connects, and may wait (to set commands up)."""

    def __init__(self, token: SecretStr, what: str, api_base: str, *, hears: bool) -> None:
        self.what = what
        self.api_base = api_base
        self.listeners: list[Listener] = []
        self.client_made: list[Callable[[discord.Client], Awaitable[None]]] = []
        self.up = asyncio.Event()
        self.lost: StageLost | None = None
        self.reads_content = hears
        self.user_id: int | None = None
        """The account's id, once it was logged in."""
        self.settled = asyncio.Event()
        """Set once it is known how the first attempt went."""
        self._hears = hears
        self._is_cut_off = False
        self._token = token
        self._backoff = Backoff()
        self._patience: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None
        self.client: discord.Client = self._made()

    @property
    def is_usable(self) -> bool:
        """Whether requests can be made."""
        return self.lost is None and self.client.user is not None and not self.client.is_closed()

    def usable(self) -> discord.Client:
        """The client, to make a request with. Raises NotTaken while it is made anew."""
        if not self.is_usable:
            raise NotTaken("the connection is made anew")
        return self.client

    def start(self) -> None:
        """Connects, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends it for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.client.close()

    # --- staying connected ----------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self.lost is None:
                await self._live_once()
                if self.settled.is_set():
                    self._down("the connection is made anew")
        except Exception as error:
            # Whatever it is, a stage must not wait for ever for a connection that nobody makes.
            log.exception("%s", self.what)
            self._lose(StageLost(f"{self.what} stopped working: {error}"))

    async def _live_once(self) -> None:
        """One client from its login to its end."""
        try:
            async with self.client:
                await self._log_in()
                async with asyncio.timeout(RESUMABLE_SECONDS) as self._patience:
                    await self.client.connect()
        except discord.LoginFailure:
            self._lose(self._fatal(TOKEN_REFUSED))
        except discord.PrivilegedIntentsRequired:
            log.warning(WITHOUT_CONTENT, self.what)
            self.reads_content = False
        except discord.ConnectionClosed as error:
            if error.code in FATAL_CLOSES:
                self._lose(self._fatal(error.code))
            else:
                await self._pause(f"Discord closed the connection ({error.code})")
        except discord.HTTPException as error:
            await self._pause(f"Discord answers {error.status}")
        except NETWORK_TROUBLE as error:
            await self._pause(f"Discord cannot be reached ({str(error) or 'it does not answer'})")
        finally:
            self._patience = None
            self.client = self._made()

    async def _log_in(self) -> None:
        await self.client.login(self._token.get_secret_value())
        self.user_id = self.client.user.id if self.client.user else None
        if self.api_base:
            _, url, _ = await self.client.http.get_bot_gateway()
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url).with_query(None)
        for made in self.client_made:
            await made(self.client)

    async def _pause(self, reason: str) -> None:
        if not self._is_cut_off:
            self._is_cut_off = True
            log.warning("%s: %s; trying again until it works.", self.what, reason)
        self._down(reason)
        self.settled.set()
        await asyncio.sleep(self._backoff.next())

    def _fatal(self, code: int) -> StageLost:
        return StageLost(FATAL_CLOSES[code].format(what=self.what))

    def _lose(self, error: StageLost) -> None:
        self.lost = error
        self.up.clear()
        self.settled.set()
        for listener in list(self.listeners):
            listener.on_lost(error)

    def token_refused(self) -> StageLost:
        """Some request was answered with 401: nothing works any more."""
        if self.lost is None:
            self._lose(self._fatal(TOKEN_REFUSED))
        assert self.lost is not None
        return self.lost

    # --- told by the client ---------------------------------------------------------------------

    def came_up(self) -> None:
        """The session is there, new or resumed."""
        if self._is_cut_off:
            self._is_cut_off = False
            show_log.info("%s is connected again.", self.what)
        self._be_patient(None)
        self._backoff.reset()
        self.up.set()
        self.settled.set()
        for listener in list(self.listeners):
            listener.on_up()

    def went_down(self) -> None:
        """The session is gone; discord.py tries to take it up again."""
        self._down("the connection to Discord broke")
        self._be_patient(RESUMABLE_SECONDS)

    def _be_patient(self, seconds: float | None) -> None:
        """For so long discord.py may try by itself."""
        if self._patience is not None and not self._patience.expired():
            end = None if seconds is None else asyncio.get_running_loop().time() + seconds
            self._patience.reschedule(end)

    def _down(self, reason: str) -> None:
        was_up = self.up.is_set()
        self.up.clear()
        if was_up or not self.settled.is_set():
            log.info("%s: %s", self.what, reason)
            for listener in list(self.listeners):
                listener.on_down(reason)

    def _made(self) -> discord.Client:
        # A show has no use for voice, and nobody wants to read that it is not there.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        intents = discord.Intents(guilds=True)
        if self._hears:
            intents.guild_messages = intents.guild_reactions = True
            intents.message_content = self.reads_content
        return GatewayClient(
            self,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            # Memory for weeks: lines are in the transcript, and members are not needed.
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GUILD_WAIT_SECONDS,
        )
