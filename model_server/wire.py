"""The model server's HTTP paths and shapes. One of the three doors between the packages.

The shapes of `/v1/...` are OpenAI's (https://platform.openai.com/docs/api-reference); what
is our own stands under the key `botconvo`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

TEXT_PATH = "/"
CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"
MODELS_PATH = "/v1/models"
HEALTH_PATH = "/health"
METRICS_PATH = "/metrics"
OPENAPI_PATH = "/openapi.json"
PROMPT_HEADER = "prompt"
REQUEST_ID_HEADER = "X-Request-Id"

MAX_BODY_BYTES = 1_000_000
"""A conversation's last lines are a few kilobytes; a megabyte is a mistake."""
MAX_MESSAGES = 500
MAX_PROMPT_CHARS = 20_000
"""Above any window, in characters; larger prompts only cost time to cut."""
MAX_NAME_CHARS = 200
MAX_CANDIDATES = 16
MAX_TOKENS = 1024
"""GPT-2's longest window."""
MAX_STOPS = 4
MAX_STOP_CHARS = 100
MAX_TOP_LOGPROBS = 5
MAX_NGRAM = 16
SEED_LIMIT = 2**31
MAX_WAITING = 64
"""Requests beyond those being answered; a longer queue would answer after anybody cares."""
RETRY_AFTER_SECONDS = 2


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair stands alone in it") from error
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Stop = Annotated[Text, Field(min_length=1, max_length=MAX_STOP_CHARS)]


def _as_whole(number: Any) -> Any:
    """JSON has one kind of number: 5.0 is 5."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


WHOLE = BeforeValidator(_as_whole)
Ngram = Annotated[int, Field(ge=0, le=0), WHOLE] | Annotated[int, Field(ge=2, le=MAX_NGRAM), WHOLE]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Sampling(_Shape):
    """How to draw; None is the server's default. Without `n` the server draws several and
    answers with the best one."""

    n: Annotated[int, Field(ge=1, le=MAX_CANDIDATES), WHOLE] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_k: Annotated[int, Field(ge=0, le=SEED_LIMIT), WHOLE] | None = None
    top_p: float | None = Field(default=None, gt=0, le=1)
    repetition_penalty: float | None = Field(default=None, ge=1, le=10)
    no_repeat_ngram: Ngram | None = None
    """No sequence of so many tokens comes twice; 0 is off."""
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT), WHOLE] | None = None


class StreamOptions(_Shape):
    include_usage: bool = False


class _Request(Sampling):
    """What both kinds of completion share."""

    model: Text | None = None
    """Read and ignored: a server has one model."""
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class Message(_Shape):
    """One line of the conversation; `name` is who said it."""

    role: Literal["system", "user", "assistant"] = "user"
    name: Text | None = Field(default=None, max_length=MAX_NAME_CHARS)
    content: Text


class Steering(_Shape):
    """What the answer should be about, and who gives it."""

    phrase: Text = Field(default="", max_length=MAX_PROMPT_CHARS)
    begin_with_phrase: bool = False
    speaker: Text | None = Field(default=None, max_length=MAX_NAME_CHARS)


class ChatRequest(_Request):
    messages: list[Message] = Field(max_length=MAX_MESSAGES)
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    """OpenAI's newer name of `max_tokens`; goes before it."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), WHOLE] | None = None
    botconvo: Steering = Steering()


class CompletionRequest(_Request):
    """`prompt` is gone on from as it stands: text, or token ids."""

    prompt: Text | list[Annotated[int, Field(ge=0), WHOLE]] = ""
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), WHOLE] | None = None
    echo: bool = False


class Verdict(_Shape):
    """ "fit", or why the candidate must not be said, its mean log-probability (nats), and how many
    of its words nobody uses: the more of them, the further back it stands."""

    verdict: str
    score: float
    made_up_words: int = 0


class TopLogprob(_Shape):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(_Shape):
    content: list[TokenLogprob]


class CompletionLogprobs(_Shape):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


FinishReason = Literal["stop", "length"]


class Choice(_Shape):
    index: int
    message: Message
    finish_reason: FinishReason
    logprobs: ChatLogprobs | None = None
    botconvo: Verdict


class TextChoice(_Shape):
    index: int
    text: str
    finish_reason: FinishReason
    logprobs: CompletionLogprobs | None = None
    botconvo: Verdict


class Usage(_Shape):
    """In tokens; of all that was drawn, also of what is not answered."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatResponse(_Shape):
    """Candidates in `choices`, the best first, unfit ones last."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class CompletionResponse(_Shape):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class ModelCard(_Shape):
    """A model, with what its manifest tells under `botconvo`."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["botconvo"] = "botconvo"
    botconvo: dict[str, Any]


class ModelList(_Shape):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(_Shape):
    status: Literal["loading", "ok", "ending"]
    model: str


class ErrorDetail(_Shape):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(_Shape):
    """OpenAI's error shape."""

    error: ErrorDetail


class Ready(_Shape):
    """What a server prints as its one line on stdout, as `{"ready": {...}}`."""

    url: str
    pid: int
    model: str
    engine: str = ""


def error_body(
    message: str, kind: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    detail = ErrorDetail(message=message, type=kind, param=param, code=code)
    return ErrorBody(error=detail).model_dump()
