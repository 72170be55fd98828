"""What an evaluation came to, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from finetune.evaluation.figures import Score
from finetune.evaluation.likeness import Likeness
from finetune.evaluation.subjects import Missing
from finetune.evaluation.text_measures import Copying, Diversity
from finetune.evaluation.verdict import Verdict


@dataclass(frozen=True, slots=True)
class FriendResult:
    """One friend's figures. None is what could not be measured."""

    friend: str
    folder: str
    style: str
    base_model: str | None
    trained_on_messages: int
    base: Score | None
    pooled: Score | None
    personal: Score | None
    generated: Diversity | None
    real: Diversity | None
    generated_copies: Copying | None
    real_copies: Copying | None
    generated_longest_tokens: int
    real_longest_tokens: int
    """The longest copied runs of words, in the model's tokens."""
    asked: int
    silent: int
    candidates: dict[str, int]
    """All that were drawn, by the server's verdict."""
    samples: list[dict[str, str]]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The whole result. `matrix`: whose model, on whose messages."""

    friends: tuple[FriendResult, ...]
    matrix: dict[str, dict[str, Score | None]]
    likeness: Likeness | None
    missing: tuple[Missing, ...]
    remarks: tuple[str, ...]
    unseen_from: str
    test_from: str
    seed: int
    sampling: dict[str, Any]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {"schema": 1} | asdict(self)
