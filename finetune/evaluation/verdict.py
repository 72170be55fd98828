"""What the figures of one friend come to, in plain words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finetune.evaluation.figures import Score
from finetune.evaluation.likeness import Likeness
from finetune.evaluation.text_measures import Copying, Diversity

ALIKE_FROM = 0.7
"""Share of the real lines' accuracy from which on a clone sounds like its friend."""
COPIES_ABOVE_REAL = 0.02
"""People say some things twice; a clone that does so by more than this share is quoting."""
REPEATS_ABOVE_REAL = 0.1
"""Share of lines that nearly repeat an earlier one, above which a clone is dull."""
CLEARLY_BETTER = 0.99
"""Of the other's bits per byte; a smaller difference is noise."""
FEW_MESSAGES = 3000

Learning = Literal["learns", "memorises", "has not learnt", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the verdict on one friend is made of; None is what could not be measured."""

    friend: str
    messages: int
    personal: Score | None
    pooled: Score | None
    base: Score | None
    copied: Copying | None
    copied_by_real: Copying | None
    said: Diversity | None
    said_by_real: Diversity | None
    likeness: Likeness | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sounds_alike` None: there is nobody to tell the friend from."""

    sounds_alike: bool | None
    learning: Learning
    sentences: tuple[str, ...]
    advice: str


def verdict(figures: Figures) -> Verdict:
    alike, said_alike = _alike(figures)
    learning, said_learning = _learning(figures)
    sentences = (said_alike, said_learning, *_dull(figures))
    return Verdict(alike, learning, sentences, _advice(figures, alike, learning))


def _alike(figures: Figures) -> tuple[bool | None, str]:
    friend, found = figures.friend, figures.likeness
    if found is None or friend not in found.generated.by_friend:
        return None, f"Whether it sounds like {friend} cannot be told: that takes two friends."
    own, real = found.generated.by_friend[friend].value, found.real.by_friend[friend].value
    shares = (
        f"a program that has read only real messages takes {own:.0%} of the clone's lines for "
        f"{friend}'s, and {real:.0%} of the real ones."
    )
    if own >= ALIKE_FROM * real:
        return True, f"Sounds like {friend}: {shares}"
    others = found.generated.confusion[friend]
    other = max((name for name in others if name != friend), key=lambda name: others[name])
    return False, f"Does not sound enough like {friend}: {shares} Most others sound like {other}."


def _learning(figures: Figures) -> tuple[Learning, str]:
    own, real = figures.copied, figures.copied_by_real
    of_real = real.share.value if real else 0.0
    # The low end: some copies among a hundred lines may be chance.
    if own and own.share.low > of_real + COPIES_ABOVE_REAL:
        return "memorises", (
            f"Memorises: {own.share.value:.0%} of its lines of four words or more stand word for "
            f"word in the training text ({of_real:.0%} of the real ones do)."
        )
    mine, base = figures.personal, figures.base
    if mine is None or base is None:
        return "cannot tell", (
            "What it has learnt cannot be told: that takes the base model, and messages of "
            f"{figures.friend} that it has not seen."
        )
    compared = f"{mine.bits_per_byte:.2f} bits per byte, before {base.bits_per_byte:.2f}"
    if _is_better(mine, base):
        return "learns", (
            "Learns: messages that it has never seen surprise it less than they did before "
            f"training ({compared})."
        )
    return "has not learnt", (
        "Has learnt nothing that holds for new messages: they surprise it no less than before "
        f"training ({compared})."
    )


def _dull(figures: Figures) -> tuple[str, ...]:
    own, real = figures.said, figures.said_by_real
    if own is None or real is None or own.repeats <= real.repeats + REPEATS_ABOVE_REAL:
        return ()
    return (
        f"Repeats itself: {own.repeats:.0%} of its lines nearly say an earlier one again "
        f"({real.repeats:.0%} of the real ones).",
    )


def _advice(figures: Figures, alike: bool | None, learning: Learning) -> str:
    more = (
        f" More messages would help most; {figures.messages} are few."
        if figures.messages < FEW_MESSAGES
        else ""
    )
    if learning == "memorises":
        return f"Train with fewer --epochs, and without --no-early-stop.{more}"
    if learning == "has not learnt":
        return f"Train with fewer --epochs or a lower --rate; is it the right base model?{more}"
    if alike is False:
        return f"Train with more --epochs, or with --no-early-stop.{more}"
    if figures.personal and figures.pooled and _is_better(figures.pooled, figures.personal):
        return (
            "The pooled model knows this friend's messages better: fewer --epochs after --pool "
            f"would keep more of it.{more}"
        )
    if _dull(figures):
        return "Leave its training as it is, and raise [generation] temperature a little."
    return "Leave it as it is."


def _is_better(one: Score, other: Score) -> bool:
    return one.bits_per_byte < CLEARLY_BETTER * other.bits_per_byte
