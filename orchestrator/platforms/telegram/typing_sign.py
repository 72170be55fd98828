"""Shows in a chat that a bot writes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from telegram.constants import ChatAction

from orchestrator.errors import StageLost
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.delivery import Place
from orchestrator.platforms.telegram.errors import RequestFailed, outcome

AGAIN_SECONDS = 4.5
"""Telegram shows it for five."""
LONGEST_SECONDS = 130.0
"""As long as a friend may think about a line."""


async def keep_typing(account: Account, place: Place, seconds: float = LONGEST_SECONDS) -> None:
    """Until cancelled, or for so long."""
    for _ in range(round(seconds / AGAIN_SECONDS)):
        with suppress(RequestFailed, StageLost), outcome(account.what):  # it is a nicety
            await account.bot.send_chat_action(place.chat_id, ChatAction.TYPING)
        await asyncio.sleep(AGAIN_SECONDS)
