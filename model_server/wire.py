"""The model server's HTTP paths and shapes. One of the three doors between the packages.

The shapes of `/v1/...` are OpenAI's (https://platform.openai.com/docs/api-reference); what
is our own stands under the key `botconvo`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TEXT_PATH = "/"
CHAT_PATH = "/v1/chat/completions"
HEALTH_PATH = "/health"
PROMPT_HEADER = "prompt"

MAX_BODY_BYTES = 1_000_000
"""A conversation's last lines are a few kilobytes; a megabyte is a mistake."""
MAX_MESSAGES = 500
MAX_PROMPT_CHARS = 20_000
"""Above any window, in characters; larger prompts only cost time to cut."""
MAX_CANDIDATES = 16
MAX_TOKENS = 1024
"""GPT-2's longest window."""
SEED_LIMIT = 2**31
MAX_WAITING = 64
"""Requests beyond those being answered; a longer queue would answer after anybody cares."""
RETRY_AFTER_SECONDS = 2


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Sampling(_Shape):
    """How to draw; None is the server's default."""

    n: int | None = Field(default=None, ge=1, le=MAX_CANDIDATES)
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_k: int | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    repetition_penalty: float | None = Field(default=None, ge=1, le=10)
    seed: int | None = Field(default=None, ge=0, lt=SEED_LIMIT)


class Message(_Shape):
    """One line of the conversation; `name` is who said it."""

    role: Literal["system", "user", "assistant"] = "user"
    name: str | None = None
    content: str


class Steering(_Shape):
    """What the answer should be about, and who gives it."""

    phrase: str = ""
    begin_with_phrase: bool = False
    speaker: str | None = None


class ChatRequest(Sampling):
    messages: list[Message] = Field(max_length=MAX_MESSAGES)
    botconvo: Steering = Steering()


class Verdict(_Shape):
    """ "fit", or why the candidate must not be said, and its mean log-probability (nats)."""

    verdict: str
    score: float


class Choice(_Shape):
    index: int
    message: Message
    finish_reason: Literal["stop", "length"]
    botconvo: Verdict


class ChatResponse(_Shape):
    """Candidates in `choices`, the best first, unfit ones last."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: dict[str, int]


class Ready(_Shape):
    """What a server prints as its one line on stdout, as `{"ready": {...}}`."""

    url: str
    pid: int
    model: str


def error_body(message: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    """OpenAI's error shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
