"""The reason of a line as the transcript keeps it, read whatever is missing or odd in it: shows
write more of it from version to version. Knows nothing of what the words for it are.

Whoever writes reasons: see transcript.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

FIT = "fit"
"""The model server's verdict on a candidate that may be said."""

LineId = Annotated[int, Field(ge=0, lt=2**63)]


class _Part(BaseModel):
    """A part of a reason; a field that is none of its type has its default."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_if_odd(
        cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        try:
            return read(value)
        except ValidationError:
            assert info.field_name is not None
            return cls.model_fields[info.field_name].get_default(call_default_factory=True)


class Weight(_Part):
    """A friend's chance, and the factors that made it."""

    share: float = 0.0
    learnt: float = 1.0
    talkativeness: float = 1.0
    mention: float = 1.0
    rest: float = 1.0
    hour: float = 1.0


class Option(_Part):
    """A phrase that could have been taken up."""

    phrase: str = ""


class TurnReason(_Part):
    """Who was to speak, about what, and why so; ids are of lines."""

    chosen_because: str = ""
    weights: dict[str, Weight] = {}
    source: str = ""
    phrase: str = ""
    phrase_from: LineId | None = None
    phrases: tuple[Option, ...] = ()
    begin_with_phrase: bool = False
    answers: LineId | None = None
    lines: tuple[LineId, ...] = ()
    seed: int | None = None


class Candidate(_Part):
    """What a model proposed, and what became of it."""

    text: str = ""
    verdict: str = ""
    score: float | None = None
    made_up_words: int = 0


class Model(_Part):
    name: str = ""
    hash: str = ""
    url: str = ""


class Timings(_Part):
    generate_seconds: float | None = None
    pause_seconds: float | None = None


class Reason(_Part):
    """All of it, for every kind of line."""

    turn: TurnReason | None = None
    attempts: tuple[tuple[Candidate, ...], ...] = ()
    sampling: dict[str, Any] = {}
    model: Model = Model()
    timings: Timings = Timings()
    reason: str = ""
    addressed: tuple[str, ...] = ()
    answer: str = ""

    @classmethod
    def of(cls, why: Mapping[str, Any]) -> Self:
        """Never raises."""
        return cls.model_validate(dict(why))
