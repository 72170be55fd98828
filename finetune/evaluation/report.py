"""The result told to people: what goes onto the page, and writing it. Says nothing that the
result does not hold."""

from __future__ import annotations

import json
from pathlib import Path

from finetune.evaluation.figures import Estimate, Score
from finetune.evaluation.generation import HISTORY_LINES
from finetune.evaluation.pages import (
    Block,
    Heading,
    Paragraph,
    Points,
    Quote,
    Table,
    as_html,
    as_markdown,
)
from finetune.evaluation.pictures import Picture, pictures
from finetune.evaluation.results import Evaluation, FriendResult
from finetune.evaluation.text_measures import Copying, Diversity
from finetune.replacing import replaced
from finetune.wording import worded

TITLE = "How good are the clones?"
PAGE, MARKDOWN, DATA = "evaluation.html", "evaluation.md", "evaluation.json"


def write_report(found: Evaluation, folder: Path) -> Path:
    """Writes the page as HTML and Markdown, its pictures and the figures as JSON; the path of
    the HTML page. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pictures(found)
    page = blocks(found, {picture.name: picture for picture in drawn})
    data = json.dumps(found.as_json(), ensure_ascii=False, indent=2) + "\n"
    files = {
        DATA: data.encode(errors="replace"),
        MARKDOWN: as_markdown(page).encode(errors="replace"),
        PAGE: as_html(TITLE, page).encode(errors="replace"),
        **{f"{picture.name}.png": picture.light for picture in drawn},
    }
    for name, content in files.items():
        with replaced(folder / name) as path:
            path.write_bytes(content)
    return folder / PAGE


def blocks(found: Evaluation, drawn: dict[str, Picture]) -> list[Block]:
    """The page from top to bottom: verdicts first, then how they came about."""
    return [
        Heading(TITLE, 1),
        *_verdicts(found),
        *_held_out(found, drawn),
        *_likeness(found, drawn),
        *_diversity(found),
        *_copying(found),
        *_samples(found),
        *_method(found),
    ]


def _verdicts(found: Evaluation) -> list[Block]:
    page: list[Block] = [
        Paragraph(
            "Each clone said some lines, and read messages that its friend really wrote later than "
            "those that it learnt from. What came of it, in short:"
        )
    ]
    for friend in found.friends:
        page += [
            Heading(friend.friend, 3),
            Points((*friend.verdict.sentences, f"What to do: {worded(friend.verdict.advice)}")),
        ]
    if found.missing:
        said = tuple(f"{gone.name}: {gone.reason}." for gone in found.missing)
        page += [Heading("Not evaluated", 3), Points(said)]
    return page


def _held_out(found: Evaluation, drawn: dict[str, Picture]) -> list[Block]:
    rows = tuple(
        (
            friend.friend, *model_bits(found, friend),
            str(friend.personal.lines) if friend.personal else "0",
        )
        for friend in found.friends
    )  # fmt: skip
    pooled = ", the pooled one knows everybody" if _has_pooled(found) else ""
    return [
        Heading("Messages that no model has seen"),
        Paragraph(
            f"How much each letter that a friend wrote from {_minute(found.test_from)} on "
            "surprises a model, in bits per byte: fewer are better, and 8 would be knowing nothing "
            f"at all. The base model is the one that training began from and knows nobody{pooled}."
        ),
        drawn["bits-per-byte"],
        Table(("friend", *model_names(found), "messages"), rows),
        Heading("Every model on everybody's messages", 3),
        Paragraph(
            f"{_winners(found)} Blue is better than the other models on the same friend's "
            "messages, red is worse; compare within a column."
        ),
        drawn["matrix"],
        Table(
            ("model of", *found.matrix),
            tuple(
                (model, *(bits(row[text]) for text in found.matrix))
                for model, row in found.matrix.items()
            ),
        ),
        *_two_styles(found),
    ]


def _has_pooled(found: Evaluation) -> bool:
    return any(friend.pooled for friend in found.friends)


def model_names(found: Evaluation) -> tuple[str, ...]:
    return ("base", "pooled", "clone") if _has_pooled(found) else ("base", "clone")


def model_bits(found: Evaluation, friend: FriendResult) -> tuple[str, ...]:
    """The friend's scores, as `model_names` heads them."""
    scores = (friend.base, *([friend.pooled] if _has_pooled(found) else []), friend.personal)
    return tuple(map(bits, scores))


def winners(found: Evaluation) -> tuple[int, int]:
    """On how many friends' messages their own model is the best, and of how many."""
    best = measured = 0
    for text in found.matrix:
        column = {m: s.bits_per_byte for m, row in found.matrix.items() if (s := row[text])}
        if text in column:
            measured += 1
            best += min(column, key=lambda model: column[model]) == text
    return best, measured


def _winners(found: Evaluation) -> str:
    best, measured = winners(found)
    if len(found.matrix) == 1:
        return "With one friend there is nothing to compare."
    return f"On the messages of {best} of {measured} friends, their own model is the best."


def _two_styles(found: Evaluation) -> list[Block]:
    if len({friend.style for friend in found.friends}) == 1:
        return []
    alone = ", ".join(friend.friend for friend in found.friends if friend.style == "monologue")
    return [
        Paragraph(
            f"Monologue models ({alone}) see each message by itself and dialogue models what was "
            "said before it, so rows of different styles do not compare."
        )
    ]


def _likeness(found: Evaluation, drawn: dict[str, Picture]) -> list[Block]:
    page: list[Block] = [Heading("Who wrote this line?")]
    if found.likeness is None:
        return [*page, Paragraph(
            "Likeness needs two friends with checkpoints and held-out messages: with one there "
            "is nobody to tell the friend from."
        )]  # fmt: skip
    likeness = found.likeness
    friends = tuple(
        (
            friend, _share(likeness.real.by_friend[friend]),
            _share(likeness.generated.by_friend[friend]),
        )
        for friend in likeness.trained_on
    )  # fmt: skip
    return [
        *page,
        Paragraph(
            "A program that has read only real messages guesses who wrote a line, by its letters "
            "and marks; the names of all friends are hidden from it. By chance it would be right "
            f"in {likeness.chance:.0%} of the lines. How often it is right about real lines, which "
            "it has not read, is the ceiling: no clone needs more."
        ),
        drawn["likeness"],
        Table(
            ("guessed right", "real lines", "the clone's"),
            (
                *friends,
                (
                    "mean", _share(likeness.real.accuracy), _share(likeness.generated.accuracy),
                ),
            ),
        ),
        Paragraph(
            f"The clones reach {_share(likeness.of_ceiling)} of the ceiling. In brackets stands "
            "what the figure may truly be, with a probability of 95 %, as so few lines tell no "
            "more. Lines copied word for word are easy to guess, so read this together with the "
            "copies below."
        ),
    ]  # fmt: skip


def _diversity(found: Evaluation) -> list[Block]:
    rows = []
    for friend in found.friends:
        rows += [
            _diversity_row(f"{friend.friend}, clone", friend.generated),
            _diversity_row(f"{friend.friend}, real", friend.real),
        ]
    return [
        Heading("Many things, or the same few?"),
        Paragraph(
            "Of all words, pairs and triples of words, the share that is different; the share of "
            "lines that nearly repeat an earlier one; and the mean length. Each clone beside as "
            "many real lines of its friend."
        ),
        Table(
            ("lines", "number", "words", "pairs", "triples", "repeats", "words a line",
             "characters a line"),
            tuple(rows),
        ),
    ]  # fmt: skip


def _diversity_row(name: str, found: Diversity | None) -> tuple[str, ...]:
    if found is None:
        return (name, "0", *["-"] * 6)
    shares = (*found.distinct, found.repeats)
    lengths = (found.mean_words, found.mean_characters)
    return (name, str(found.lines), *(f"{s:.0%}" for s in shares), *(f"{x:.1f}" for x in lengths))


def _copying(found: Evaluation) -> list[Block]:
    rows = []
    for friend in found.friends:
        rows += [
            _copying_row(
                f"{friend.friend}, clone", friend.generated_copies, friend.generated_longest_tokens
            ),
            _copying_row(f"{friend.friend}, real", friend.real_copies, friend.real_longest_tokens),
        ]
    return [
        Heading("Its own words, or quotes?"),
        Paragraph(
            "How many lines of four words or more stand in the training text of all friends, "
            "whatever their case and marks; and the longest run of words of a line that stands "
            "there: on average, and the longest of all, which is so many of the model's tokens. "
            "Each clone beside its friend's held-out lines."
        ),
        Table(("lines", "long ones", "copied", "mean run", "tokens", "longest run"), tuple(rows)),
    ]


def _copying_row(name: str, found: Copying | None, longest_tokens: int) -> tuple[str, ...]:
    if found is None:
        return (name, "0", *["-"] * 4)
    return (
        name, str(found.long_lines), f"{found.copied}: {_share(found.share)}",
        f"{found.mean_run:.1f} words", str(longest_tokens), found.longest,
    )  # fmt: skip


def _samples(found: Evaluation) -> list[Block]:
    page: list[Block] = [Heading("Some of what they said")]
    for friend in found.friends:
        page += [_sample(friend, sample) for sample in friend.samples]
    return page if len(page) > 1 else []


def _sample(friend: FriendResult, sample: dict[str, str]) -> Quote:
    after = (sample["after"],) if sample["after"] and friend.style == "dialogue" else ()
    return Quote((*after, f"{friend.friend} (clone): {sample['said']}"))


def _method(found: Evaluation) -> list[Block]:
    drawn, unseen, test = found.sampling, _minute(found.unseen_from), _minute(found.test_from)
    return [
        Heading("How this was measured"),
        Points((
            f"Messages from {unseen} on were learnt from by none of these models; those from "
            f"{test} on did not choose their best weights either, and bits per byte are of "
            "these.",
            "The lines were drawn through model servers as the show runs them: "
            f"{drawn['n']} candidates at temperature {drawn['temperature']}, top-k "
            f"{drawn['top_k']}, top-p {drawn['top_p']}, at most {drawn['max_tokens']} tokens; the "
            "server's first fit one that does not repeat what was just said.",
            f"A dialogue clone is shown up to {HISTORY_LINES} last lines of a held-out "
            "conversation, but only those of the others: its friend's own lines would show it how "
            "to write. No phrase is given, so every word is the model's; a monologue clone is "
            "shown nothing.",
            "The guesses are by logistic regression on runs of one to five characters, every "
            "friend counting the same.",
            f"Seed {found.seed}; it took {found.seconds:.0f} s.",
            *map(worded, found.remarks),
        )),
    ]  # fmt: skip


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def bits(score: Score | None) -> str:
    return f"{score.bits_per_byte:.3f}" if score else "-"


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"
