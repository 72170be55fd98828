"""What a failed request to Discord means for the line that it was about. Foreign exceptions end
here: the rest of the stage knows three outcomes.

RequestFailed
 ├─ NotTaken     surely not carried out: it may be made again
 ├─ AnswerLost   nobody knows whether it was carried out: look before making it again
 └─ Withheld     refused, and again if it were repeated as it is
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK = 10003, 10008, 10015
MISSING_ACCESS, MISSING_PERMISSIONS = 50001, 50013
TOO_MANY_WEBHOOKS = 30007
INVALID_FORM = 50035
BLOCKED_BY_AUTOMOD = 200000
NOT_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class RequestFailed(Exception):
    """A request to Discord that came to nothing, in words."""


class NotTaken(RequestFailed):
    """Surely not carried out, and worth another attempt."""


class AnswerLost(RequestFailed):
    """Perhaps carried out, perhaps not."""


class Withheld(RequestFailed):
    """Refused. `code` is Discord's, `status` that of HTTP."""

    def __init__(self, message: str, status: int, code: int) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@asynccontextmanager
async def outcome() -> AsyncIterator[None]:
    """Turns what discord.py and aiohttp raise into RequestFailed."""
    try:
        yield
    except discord.DiscordServerError as error:
        raise AnswerLost(f"Discord answered {error.status}") from error
    except discord.RateLimited as error:
        raise NotTaken(f"Discord is busy for {error.retry_after:.0f} s") from error
    except discord.HTTPException as error:
        if error.status == 429:
            raise NotTaken("Discord is busy") from error
        if error.status >= 500:
            raise AnswerLost(f"Discord answered {error.status}") from error
        raise Withheld(_first_words(error.text), error.status, error.code) from error
    except NOT_CONNECTED as error:
        raise NotTaken("Discord cannot be reached") from error
    except (OSError, TimeoutError, aiohttp.ClientError, json.JSONDecodeError) as error:
        raise AnswerLost(f"the connection broke ({type(error).__name__})") from error
    except RuntimeError as error:
        if "closed" not in str(error).casefold():
            raise
        # The client is made anew at this moment.
        raise NotTaken("the connection is made anew") from error


async def only_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A middleware of aiohttp that keeps discord.py from repeating a webhook's request by itself:
    it does so after any 5xx and some broken connections, when the line may stand there already,
    and a webhook's line has no nonce by which Discord would know it again."""
    try:
        response = await handler(request)
    except NOT_CONNECTED as error:
        raise NotTaken("Discord cannot be reached") from error
    except OSError as error:
        raise AnswerLost(f"the connection broke ({type(error).__name__})") from error
    if response.status >= 500:
        response.release()
        raise AnswerLost(f"Discord answered {response.status}")
    return response


def _first_words(text: str) -> str:
    """Discord's reason in one line."""
    return " ".join(text.split())[:200] or "no reason given"
