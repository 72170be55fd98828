"""What becomes of raw messages: every rule, its counts, and that it can be switched off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.cleaning import EXAMPLES, RULES, CleaningReport, CleanLine, clean
from finetune.corpus import StoredMessage
from finetune.errors import FinetuneError
from finetune.markup import plain_words

NAMES = {"42": "Juno"}
FENCE = "```"
ids = count(1)


def message(text: str, **other: object) -> StoredMessage:
    plain = StoredMessage(
        id=next(ids),
        chat_id=7,
        chat="sofa",
        platform="discord",
        person="Bo",
        kind="person",
        sent_at=datetime(2024, 1, 1, tzinfo=UTC),
        text=text,
    )
    return replace(plain, **other)  # type: ignore[arg-type]  # the fields are not spelled out


def cleaned(*messages: StoredMessage, keep: tuple[str, ...] = ()) -> list[str]:
    return [line.text for line in clean(messages, NAMES, CleaningReport(), keep)]


def report_on(*messages: StoredMessage, keep: tuple[str, ...] = ()) -> CleaningReport:
    report = CleaningReport()
    list(clean(messages, NAMES, report, keep))
    return report


DROPPED: list[tuple[str, str, dict[str, object]]] = [
    ("system-lines", "Joined the server.", {"kind": "system"}),
    ("bots", "You rolled 7.", {"kind": "bot"}),
    ("webhooks", "I am a wizard", {"kind": "webhook"}),
    ("forwarded", "send this to ten friends", {"forwarded": True}),
    ("attachments", "", {"attachments": 1}),
    ("deleted-notices", "This message was deleted", {}),
    ("media-placeholders", "<Media omitted>", {}),
    ("bot-commands", "!roll 2d6", {}),
    ("bot-commands", "/play wonderwall", {}),
    ("bot-commands", "/start@dice_bot", {}),
    ("bot-commands", "!8ball will i nap", {}),
    ("code-blocks", f"{FENCE}py\nprint()\n{FENCE}", {}),
    ("quotes", "> i said so\n> twice", {}),
    ("links", "https://example.com", {}),
    ("tags", "<#99>", {}),
    ("private-data", "the password is hunter2", {}),
    ("too-short", "", {}),
    ("too-short", "k", {}),
    ("too-short", "?", {}),
    ("too-short", ".", {}),
    ("too-short", "!", {}),
    ("too-short", "\u200b", {}),
]
CHANGED = [
    ("media-placeholders", "IMG-20210428-WA0001.jpg (file attached)\nlook at him", "look at him"),
    ("code-blocks", f"try {FENCE}a\nb{FENCE} this", "try this"),
    ("quotes", "> who ate it\nnot me", "not me"),
    ("quotes", "yes\n>>> he said\nand said", "yes"),
    ("links", "look https://example.com/a here", "look here"),
    ("mentions", "hi <@42> and <@7>", "hi Juno and someone"),
    ("mentions", "hi @\u2068Juno K\u2069!", "hi Juno K!"),
    ("mentions", "ask @4915234567890", "ask someone"),
    ("custom-emoji", "<:kevin_stare:123> no", "kevin stare no"),
    ("tags", "see <#99> at <t:1700000000:R> then", "see at then"),
    ("style-marks", "**no** ||spoiler||", "no spoiler"),
    ("private-data", "mail a@example.com", "mail email"),
]
UNTOUCHED = [
    "/s",
    "/shrug whatever",
    "!!!",
    "//",
    "!?",
    ">be me",
    ">_<",
    "5 > 3 and 2 < 3",
    "💀",
    "8",
    "❤",
    "好",
    "ㅋ",
    "ok",
    "no",
    "xD",
    ":)",
    "12:30:15",
    "2 * 3 * 4",
    "and/or",
    "tl;dr he fell in",
    "i deleted this message",
]


@pytest.mark.parametrize(("rule", "text", "other"), DROPPED)
def test_a_rule_drops_and_counts(rule: str, text: str, other: dict[str, object]) -> None:
    report = report_on(message(text, **other))
    assert (report.read, report.kept, report.dropped) == (1, 0, {rule: 1})
    assert report.examples == {rule: [(text, "")]}


@pytest.mark.parametrize(("rule", "text", "other"), DROPPED)
def test_a_rule_that_is_off_leaves_the_text_in(
    rule: str, text: str, other: dict[str, object]
) -> None:
    off = (rule, "style-marks", "too-short")  # "```" and "" would fall to these
    assert cleaned(message(text, **other), keep=off) == [" ".join(text.split())]


@pytest.mark.parametrize(("rule", "text", "after"), CHANGED)
def test_a_rule_changes_and_counts(rule: str, text: str, after: str) -> None:
    report = report_on(message(text))
    assert cleaned(message(text)) == [after]
    assert (report.kept, report.changed) == (1, {rule: 1})
    assert report.examples == {rule: [(text, after)]}


@pytest.mark.parametrize(("rule", "text", "after"), CHANGED)
def test_a_changing_rule_that_is_off_leaves_the_text_in(rule: str, text: str, after: str) -> None:
    off = (rule, "style-marks", "private-data")  # numbers in mentions and "```" are theirs, too
    assert cleaned(message(text), keep=off) == [" ".join(text.split())]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_people_write_stays(text: str) -> None:
    report = report_on(message(text))
    assert cleaned(message(text)) == [text]
    assert report.changed == {}


def test_a_link_that_is_kept_loses_no_underscores() -> None:
    link = "https://example.com/__a_/*b*?id=4111111111111111"
    assert cleaned(message(f"**see** {link}"), keep=("links",)) == [f"see {link}"]


def test_a_copy_is_dropped_and_a_short_phrase_is_natural() -> None:
    copy = "send this to ten friends or else"
    said = ["lol ok", copy, "what is wrong with it?", "lol ok", copy.replace(" ", "  ")]
    lines = [message(text) for text in [*said, "what is wrong with it?", "a" * 50, "a" * 50]]
    assert cleaned(*lines) == [*said[:4], "what is wrong with it?", "a" * 50, "a" * 50]
    assert report_on(*lines).dropped == {"exact-repeats": 1}
    assert len(cleaned(*lines, keep=("exact-repeats",))) == len(lines)


def test_two_people_may_say_the_same() -> None:
    said = "what is that thing even for"
    assert len(cleaned(message(said), message(said, person="Ada"))) == 2


def test_a_line_knows_where_it_came_from() -> None:
    said = message("no.", message_id="12", reply_to="11")
    [line] = clean([said], NAMES, CleaningReport())
    assert line == CleanLine(said.id, "sofa", "Bo", said.sent_at, "no.", 7, "12", "11")


def test_private_data_is_counted_by_kind() -> None:
    report = report_on(message("a@example.com or +49 1523 4567890"), message("password is tuba"))
    assert report.private == {"email": 1, "phone number": 1, "secret": 1}


def test_examples_come_from_all_over_the_corpus() -> None:
    report = report_on(*(message(f"/play {i}") for i in range(1000)))
    places = [int(before.split()[1]) for before, _ in report.examples["bot-commands"]]
    assert len(places) == EXAMPLES
    assert max(places) - min(places) > 300


def test_an_unknown_rule_is_refused_with_the_nearest_and_all() -> None:
    with pytest.raises(FinetuneError, match=r"'link'; did you mean 'links'\? The .* forwarded"):
        clean([], NAMES, CleaningReport(), keep=["link"])


def test_every_rule_has_a_short_name_a_sentence_and_one_deed() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.name == rule.name.lower().replace(" ", "-")
        assert rule.says.endswith(".")
        assert (rule.drops is None) != (rule.changes is None)


TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [text for _, text, _ in CHANGED] + UNTOUCHED + ["\n", " ", "<", "*", "`", "@", "> "]
    ),
    max_size=5,
).map("".join)
MESSAGES = st.lists(
    st.builds(
        message,
        TEXTS,
        kind=st.sampled_from(["person", "person", "bot", "webhook", "system"]),
        attachments=st.integers(0, 1),
        forwarded=st.booleans(),
    ),
    max_size=12,
)


@given(MESSAGES, st.sets(st.sampled_from([rule.name for rule in RULES])))
def test_every_message_is_kept_or_counted(messages: list[StoredMessage], keep: set[str]) -> None:
    report = CleaningReport()
    lines = list(clean(messages, NAMES, report, keep))
    assert report.read == len(messages)
    assert report.kept == len(lines)
    assert report.read == report.kept + sum(report.dropped.values())
    assert not keep & (set(report.dropped) | set(report.changed))
    assert all(line.text == " ".join(line.text.split()) for line in lines)


@given(st.text("ab .,!?'😀é好\n", max_size=40))
def test_ordinary_lines_are_trained_as_they_are_read_live(text: str) -> None:
    assert cleaned(message(text)) in ([], [plain_words(text)])
