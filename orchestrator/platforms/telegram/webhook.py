"""Takes in what Telegram sends to the bot's webhook. Plain HTTP: a proxy in front of it does TLS.

https://core.telegram.org/bots/api#setwebhook
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from aiohttp import web
from telegram import Update

from orchestrator.errors import StageLost
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.errors import outcome
from orchestrator.platforms.telegram.settings import TelegramStage

log = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
SECRET_BYTES = 32
MOST_BYTES = 1_000_000
"""A message of 4,096 characters with all that Telegram tells around it is a twentieth of this."""


class Webhook:
    """The receiving end. Only who knows the secret, made anew at each start, is listened to."""

    def __init__(self, settings: TelegramStage, take: Callable[[Update], None]) -> None:
        self._settings = settings
        self._take = take
        self._secret = secrets.token_urlsafe(SECRET_BYTES)
        self._account: Account | None = None
        self._runner: web.AppRunner | None = None

    async def open(self, account: Account, allowed: Sequence[str]) -> None:
        """Listens, and has Telegram send news here. Raises StageLost if the port is taken,
        RequestFailed; it may be called again then."""
        self._account = account
        if self._runner is None:
            await self._listen()
        with outcome(account.what):
            await account.bot.set_webhook(
                self._settings.webhook, allowed_updates=allowed, secret_token=self._secret
            )

    async def close(self) -> None:
        """The webhook stays set: Telegram keeps what comes meanwhile for a day."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(urlsplit(self._settings.webhook).path or "/", self._on_post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        host, port = self._settings.listens_at
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise StageLost(
                f"The webhook cannot listen on {host}:{port} ({error.strerror}); "
                "choose another port with webhook_listen."
            ) from error
        self._runner = runner

    async def _on_post(self, request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return web.Response(status=401)
        assert self._account is not None
        try:
            update = Update.de_json(await request.json(), self._account.bot)
        except (ValueError, KeyError, TypeError, AttributeError):
            # Telegram would send it again and again.
            log.warning("The webhook was sent something that is no news of Telegram.")
            return web.Response()
        self._take(update)
        return web.Response()
