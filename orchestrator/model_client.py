"""One friend's server over HTTP. aiohttp's errors stop here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from pydantic import ValidationError

from model_server import wire
from orchestrator.conversation import SpokenLine
from orchestrator.errors import ModelServerBusy, ModelServerDown, ModelServerRefused

ANSWER_SECONDS = 120.0
"""A 1558M model on a slow laptop needs a minute for a line; a hung server is no better off
with more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that the friend might say, and the server's verdict ("fit" or a reason)."""

    text: str
    verdict: str
    score: float

    @property
    def is_fit(self) -> bool:
        return self.verdict == "fit"


class ModelClient:
    """Asks one server for candidates."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url.rstrip("/")

    async def candidates(
        self,
        lines: Sequence[SpokenLine],
        *,
        speaker: str,
        phrase: str,
        begin_with_phrase: bool,
        sampling: wire.Sampling,
    ) -> list[Candidate]:
        """Candidates for the speaker's next line, the server's favourite first.

        Raises ModelServerDown, ModelServerBusy or ModelServerRefused.
        """
        body = wire.ChatRequest(
            messages=[_message(line, speaker) for line in lines],
            botconvo=wire.Steering(
                phrase=phrase, begin_with_phrase=begin_with_phrase, speaker=speaker
            ),
            **sampling.model_dump(),
        )
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with self._session.post(
                self.url + wire.CHAT_PATH,
                json=body.model_dump(exclude_none=True),
                timeout=timeout,
            ) as response:
                if response.status in (429, 503):
                    raise ModelServerBusy(await _reason(response))
                if response.status != 200:
                    raise ModelServerRefused(await _reason(response))
                answer = wire.ChatResponse.model_validate(await response.json())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ModelServerDown(f"{self.url} does not answer ({error!r})") from error
        except ValidationError as error:
            raise ModelServerRefused(f"{self.url} is no BotConvo model server") from error
        return [
            Candidate(c.message.content, c.botconvo.verdict, c.botconvo.score)
            for c in answer.choices
        ]


def _message(line: SpokenLine, speaker: str) -> wire.Message:
    role = "assistant" if line.speaker == speaker and not line.by_person else "user"
    return wire.Message(role=role, name=line.speaker, content=line.text)


async def _reason(response: aiohttp.ClientResponse) -> str:
    try:
        data = await response.json()
        return str(data["error"]["message"])
    except (ValueError, KeyError, TypeError, aiohttp.ContentTypeError):
        return f"status {response.status}"
