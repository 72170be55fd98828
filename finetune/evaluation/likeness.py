"""Who wrote this line? A classifier that knows only real lines says it of generated ones.

It looks at runs of letters and marks, that is at how somebody writes; names of friends are
masked before, or whom a line addresses would give away who wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from finetune.arrays import FloatArray
from finetune.evaluation.figures import Estimate, draws, estimate
from finetune.evaluation.text_measures import name_mask, without_names

LETTERS_IN_A_ROW = (1, 5)
STRENGTH = 10.0
"""Inverse of the regularisation: lines are short and every run in them counts."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """How often lines were put down to those who wrote them.

    `accuracy`: mean over the friends of the shares in `by_friend`, so that who wrote more does
    not count more. `confusion`: writer to whom the line was put down to, to the number of lines.
    """

    accuracy: Estimate
    by_friend: dict[str, Estimate]
    confusion: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """`real`: on held-out lines, the ceiling; `generated`: on the clones' lines. `of_ceiling` is
    how far the way from nothing to the ceiling has been gone, generated / real."""

    trained_on: dict[str, int]
    chance: float
    real: Recognised
    generated: Recognised
    of_ceiling: Estimate


class Classifier:
    """Character n-grams and logistic regression, every friend counting the same."""

    def __init__(self, people: Sequence[str], names: Sequence[str]) -> None:
        self._people = sorted(people)
        self._names = name_mask(names)
        self._model: Pipeline = make_pipeline(
            TfidfVectorizer(
                analyzer="char_wb", ngram_range=LETTERS_IN_A_ROW, lowercase=False,
                sublinear_tf=True, min_df=2,
            ),
            LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000),
        )  # fmt: skip

    @classmethod
    def of(cls, lines: Mapping[str, Sequence[str]], names: Sequence[str]) -> Self:
        """Learns from `lines` by friend; `names` are masked in all that it reads."""
        made = cls(list(lines), names)
        texts = [made._masked(text) for texts in lines.values() for text in texts]
        made._model.fit(texts, [friend for friend, texts in lines.items() for _ in texts])
        return made

    def recognise(self, lines: Mapping[str, Sequence[str]], seed: int) -> Recognised:
        """How the lines are put down; friends without any are left out."""
        confusion: dict[str, dict[str, int]] = {}
        for friend, texts in lines.items():
            if texts:
                said = list(self._model.predict([self._masked(text) for text in texts]))
                confusion[friend] = {name: said.count(name) for name in self._people}
        drawn = _draws(confusion, seed)
        return Recognised(
            accuracy=estimate(
                float(np.mean([_share(confusion, friend) for friend in confusion])),
                np.mean(list(drawn.values()), axis=0),
            ),
            by_friend={f: estimate(_share(confusion, f), drawn[f]) for f in confusion},
            confusion=confusion,
        )

    def _masked(self, text: str) -> str:
        return without_names(text, self._names)


def likeness(
    training: Mapping[str, Sequence[str]],
    real: Mapping[str, Sequence[str]],
    generated: Mapping[str, Sequence[str]],
    names: Sequence[str],
    seed: int,
) -> Likeness | None:
    """By friend: lines to learn from, held-out ones, and the clone's. None if there are fewer
    than two friends with held-out and generated lines, as there is nothing to tell apart."""
    people = [f for f in training if training[f] and real.get(f) and generated.get(f)]
    if len(people) < 2:
        return None
    classifier = Classifier.of({f: training[f] for f in people}, names)
    on_real = classifier.recognise({f: real[f] for f in people}, seed)
    on_generated = classifier.recognise({f: generated[f] for f in people}, seed + 1)
    ceiling = np.mean(list(_draws(on_real.confusion, seed).values()), axis=0)
    reached = np.mean(list(_draws(on_generated.confusion, seed + 1).values()), axis=0)
    share = on_generated.accuracy.value / max(on_real.accuracy.value, 1e-9)
    return Likeness(
        {f: len(training[f]) for f in people}, 1 / len(people), on_real, on_generated,
        estimate(share, reached / ceiling),
    )  # fmt: skip


def _share(confusion: Mapping[str, Mapping[str, int]], friend: str) -> float:
    return confusion[friend].get(friend, 0) / sum(confusion[friend].values())


def _draws(confusion: Mapping[str, Mapping[str, int]], seed: int) -> dict[str, FloatArray]:
    """Draws of each friend's share of lines that are put down to the right one."""
    rng = np.random.default_rng(seed)
    return {f: draws(row.get(f, 0), sum(row.values()), rng) for f, row in confusion.items()}
