"""All measures of all friends, one after another, as one result.

Decides what is measured on which messages; how is in the other modules.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from finetune.bases.base_models import BaseModel
from finetune.dataset import EVERYBODY, CleanCorpus, Session
from finetune.evaluation.figures import Score
from finetune.evaluation.generation import SHOWN, Said, Speaker, contexts, speak
from finetune.evaluation.held_out import Rivals, Scorer, find_rivals, served_model
from finetune.evaluation.likeness import Likeness, likeness
from finetune.evaluation.results import Evaluation, FriendResult
from finetune.evaluation.subjects import Material, Missing, Subject, lines_of
from finetune.evaluation.text_measures import Copying, copying, diversity
from finetune.evaluation.verdict import Figures, verdict
from model_server.checkpoint_format import Codec, Manifest

SCORED_LINES = 300
"""Of each friend; more would not change the first two digits, and cost minutes with 124M."""
REAL_LINES = 1000
"""Held-out lines of a friend that the classifier and the search for copies read, at most."""
TRAINING_LINES = 20_000
"""Of a friend, that the classifier learns from, at most."""
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Order:
    """What to evaluate, and how. `threads` 0 is all cores."""

    subjects: tuple[Subject, ...]
    missing: tuple[Missing, ...]
    models: Path
    packaged_base: Path
    lines: int = 100
    seed: int = 1
    threads: int = 0


def evaluate(corpus: CleanCorpus, order: Order, say: Callable[[str], None]) -> Evaluation:
    """Measures the clones; `say` is told how far it is.

    Raises FinetuneError and CheckpointError with what is missing.
    """
    began = time.monotonic()
    subjects = order.subjects
    rivals = {s.friend: find_rivals(s, order.models, order.packaged_base) for s in subjects}
    material = Material.of(corpus, _manifests(subjects, rivals))
    said = _said(subjects, material, order, say)
    scores = _scores(corpus, subjects, rivals, material, order, say)
    say("comparing what they say with what was really said")
    names = [friend.name for friend in corpus.friends()]
    found = _likeness(subjects, material, said, names, order.seed)
    results = tuple(
        _result(s, rivals[s.friend], material, said[s.friend], scores, found, order)
        for s in subjects
    )
    return Evaluation(
        friends=results,
        matrix={
            model.friend: {text.friend: scores[model.friend, text.friend] for text in subjects}
            for model in subjects
        },
        likeness=found,
        missing=order.missing,
        remarks=(*material.remarks, *_remarks(results, rivals)),
        unseen_from=min(s[0].sent_at for s in material.unseen).isoformat(),
        test_from=material.test_from.isoformat(),
        seed=order.seed,
        sampling=SHOWN.model_dump(exclude_none=True),
        seconds=round(time.monotonic() - began, 1),
    )


def _manifests(
    subjects: Sequence[Subject], rivals: Mapping[str, Rivals]
) -> list[tuple[str, Manifest]]:
    pooled = next((r.pooled for r in rivals.values() if r.pooled), None)
    own = [(s.friend, s.manifest) for s in subjects]
    return own + ([("The pooled model", Manifest.read(pooled.folder))] if pooled else [])


def _said(
    subjects: Sequence[Subject], material: Material, order: Order, say: Callable[[str], None]
) -> dict[str, list[Said]]:
    speakers = []
    for subject in subjects:
        rng = random.Random(f"{order.seed} {subject.friend}")
        found = contexts(material.unseen, subject.friend, order.lines, rng)
        speakers.append(Speaker(subject.friend, subject.folder, found))
    names = ", ".join(speaker.friend for speaker in speakers)
    say(f"clones at work, lines of each: {order.lines}; {names}")
    return speak(speakers, order.seed, order.threads or os.cpu_count() or 1, say)


def _scores(
    corpus: CleanCorpus,
    subjects: Sequence[Subject],
    rivals: Mapping[str, Rivals],
    material: Material,
    order: Order,
    say: Callable[[str], None],
) -> dict[tuple[str, str], Score | None]:
    """Scores by model and friend whose messages they are of. The models are the friends by
    name, and `base` and `pooled`, which only score their own friend's messages."""
    texts = {s.friend: _test_text(corpus, material, s.friend, order.seed) for s in subjects}
    scores: dict[tuple[str, str], Score | None] = {}
    with closing(Scorer(order.threads)) as scorer:
        for model, tasks in _tasks(subjects, rivals):
            say(f"{model.name} reads held-out messages")
            for name, text, form in tasks:
                scores[name, text] = scorer.score(model, texts[text], text, form)
    return scores


Task = tuple[str, str, Manifest]
"""Under which name a score is kept, whose messages, and in which form."""


def _tasks(
    subjects: Sequence[Subject], rivals: Mapping[str, Rivals]
) -> list[tuple[BaseModel, list[Task]]]:
    """What each model has to read, so that each is loaded once."""
    tasks: dict[BaseModel, list[Task]] = {}
    for subject in subjects:
        for rival, model in _named(rivals[subject.friend]):
            tasks.setdefault(model, []).append((rival, subject.friend, subject.manifest))
    for subject in subjects:
        every = [(subject.friend, other.friend, subject.manifest) for other in subjects]
        tasks.setdefault(served_model(subject), []).extend(every)
    return list(tasks.items())


def _named(rivals: Rivals) -> list[tuple[str, BaseModel]]:
    pairs = [("base", rivals.base), ("pooled", rivals.pooled)]
    return [(name, model) for name, model in pairs if model is not None]


def _test_text(
    corpus: CleanCorpus, material: Material, friend: str, seed: int
) -> tuple[Session, ...]:
    """Test sessions in which the friend speaks, in their order: all, or as many as there are
    lines enough in."""
    found = [s for s in material.test if any(line.person == friend for line in s)]
    drawn = list(range(len(found)))
    random.Random(f"{seed} {friend}").shuffle(drawn)
    chosen: list[int] = []
    lines = 0
    for place in drawn:
        if lines >= SCORED_LINES:
            break
        chosen.append(place)
        lines += sum(line.person == friend for line in found[place])
    return corpus.stitched([found[place] for place in sorted(chosen)])


def _likeness(
    subjects: Sequence[Subject],
    material: Material,
    said: Mapping[str, Sequence[Said]],
    names: Sequence[str],
    seed: int,
) -> Likeness | None:
    def drawn(found: Sequence[Session], count: int) -> dict[str, list[str]]:
        return {s.friend: _drawn(lines_of(s.friend, found), count, seed) for s in subjects}

    return likeness(
        drawn(material.training, TRAINING_LINES),
        drawn(material.unseen, REAL_LINES),
        {friend: _texts(lines) for friend, lines in said.items()},
        names,
        seed,
    )


def _result(
    subject: Subject,
    rivals: Rivals,
    material: Material,
    said: Sequence[Said],
    scores: Mapping[tuple[str, str], Score | None],
    found: Likeness | None,
    order: Order,
) -> FriendResult:
    figures = _figures(subject, material, _texts(said), scores, found, order.seed)
    codec = Codec.read(subject.folder)
    return FriendResult(
        friend=figures.friend,
        folder=str(subject.folder),
        style=subject.manifest.style,
        base_model=rivals.base.name if rivals.base else None,
        trained_on_messages=figures.messages,
        base=figures.base,
        pooled=figures.pooled,
        personal=figures.personal,
        generated=figures.said,
        real=figures.said_by_real,
        generated_copies=figures.copied,
        real_copies=figures.copied_by_real,
        generated_longest_tokens=_longest_tokens(figures.copied, codec),
        real_longest_tokens=_longest_tokens(figures.copied_by_real, codec),
        asked=len(said),
        silent=sum(one.text is None for one in said),
        candidates=dict(Counter(verdict for one in said for verdict in one.verdicts)),
        samples=[_sample(one) for one in said if one.text is not None][:SAMPLES],
        verdict=verdict(figures),
    )


def _figures(
    subject: Subject,
    material: Material,
    texts: Sequence[str],
    scores: Mapping[tuple[str, str], Score | None],
    found: Likeness | None,
    seed: int,
) -> Figures:
    friend = subject.friend
    unseen = _drawn(lines_of(friend, material.unseen), REAL_LINES, seed)
    everything = unseen + lines_of(friend, material.training)
    learnt_from = [line.text for session in material.training for line in session]
    return Figures(
        friend=friend,
        messages=subject.manifest.trained_on.messages,
        personal=scores[friend, friend],
        pooled=scores.get(("pooled", friend)),
        base=scores.get(("base", friend)),
        copied=copying(texts, learnt_from),
        copied_by_real=copying(unseen, learnt_from),
        said=diversity(texts),
        said_by_real=diversity(_drawn(everything, len(texts), seed)),
        likeness=found,
    )


def _longest_tokens(found: Copying | None, codec: Codec) -> int:
    return len(codec.encode(found.longest)) if found else 0


def _texts(said: Sequence[Said]) -> list[str]:
    return [one.text for one in said if one.text is not None]


def _drawn(lines: Sequence[str], count: int, seed: int) -> list[str]:
    """At most `count` of them, in their order."""
    if len(lines) <= count:
        return list(lines)
    places = sorted(random.Random(seed).sample(range(len(lines)), count))
    return [lines[place] for place in places]


def _sample(said: Said) -> dict[str, str]:
    last = said.context[-1] if said.context else None
    return {"after": f"{last.speaker}: {last.text}" if last else "", "said": said.text or ""}


def _remarks(results: Sequence[FriendResult], rivals: Mapping[str, Rivals]) -> list[str]:
    remarks = []
    for result in results:
        friend = result.friend
        if result.personal is None:
            remarks.append(
                f"{friend} wrote nothing since the test messages begin, which are the newest of "
                f"these chats, so no model is tested on {friend}. Import newer ones of {friend}, "
                f"or train and evaluate with --until and a day on which {friend} still wrote."
            )
        elif result.personal.too_long:
            remarks.append(
                f"{result.personal.too_long} of {friend}'s test messages fit in no window and "
                "are not scored."
            )
        if result.silent:
            remarks.append(
                f"{friend}'s clone stayed silent {result.silent} times of {result.asked}: no "
                "candidate was fit."
            )
        if result.base is None and rivals[friend].base is None:
            remarks.append(f"The base model that {friend}'s clone began from is not there.")
    if not any(found.pooled for found in rivals.values()):
        remarks.append(
            f"There is no pooled model (models/{EVERYBODY}); botconvo train --pool makes one."
        )
    return remarks
