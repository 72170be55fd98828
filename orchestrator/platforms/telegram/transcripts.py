"""What was said, as a file to one person in their private chat: in the group all would get it."""

from __future__ import annotations

from telegram import User

from orchestrator.backstage import Backstage
from orchestrator.errors import OrchestratorError
from orchestrator.platforms import looking
from orchestrator.platforms.telegram.account import Account
from orchestrator.platforms.telegram.errors import RequestFailed, Withheld, outcome

MOST_BYTES = 50_000_000
"""https://core.telegram.org/bots/api#senddocument"""
FILE_NAME = "transcript.html"
SENDING_SECONDS = 120.0
SENT = "I have sent it to you in private."
NOBODY = "I send it to a person in private; write as yourself, please."
NOT_MET = (
    "Only you are to get it, and I may not write to you yet: open t.me/{bot}, press Start, "
    "whatever I answer there, and send /transcript here again."
)


class Transcripts:
    """Of one conversation, by one bot."""

    def __init__(self, account: Account, backstage: Backstage, conversation: str) -> None:
        self._account = account
        self._backstage = backstage
        self._conversation = conversation

    async def send(self, user: User | None, since: str) -> str:
        """What was said since then ("2 days", "" for all); says what came of it. Raises
        StageLost."""
        if user is None:
            return NOBODY
        try:
            data = await looking.transcript(
                self._backstage, self._conversation, "html", since, MOST_BYTES, "/transcript 2 days"
            )
            with outcome(self._account.what):
                await self._account.bot.send_document(
                    user.id, data, filename=FILE_NAME,
                    read_timeout=SENDING_SECONDS, write_timeout=SENDING_SECONDS,
                )  # fmt: skip
        except OrchestratorError as error:
            return str(error)
        except Withheld:
            assert self._account.me is not None
            return NOT_MET.format(bot=self._account.me.username)
        except RequestFailed as error:
            return f"It did not work: {error}. Please try again."
        return SENT
