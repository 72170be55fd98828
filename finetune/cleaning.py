"""From raw messages to lines worth learning. Pure; every message is kept or counted.

Cleaning happens on reading the corpus, so its rules can change without a new import. Each
rule stands in RULES, in the order in which they are applied, and can be switched off.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from finetune.corpus import StoredMessage
from finetune.errors import FinetuneError
from finetune.markup import (
    emoji_as_words,
    one_line,
    with_names,
    without_links,
    without_private_data,
    without_style_marks,
    without_tags,
)
from finetune.reading.placeholders import (
    is_deleted_notice,
    is_media_placeholder,
    is_system_notice,
    without_attachment_names,
)

CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)
QUOTE = re.compile(r"^>>> .*|^> [^\n]*\n?", re.MULTILINE | re.DOTALL)
"""Not ">text", which people write themselves; ">>> " quotes all that follows."""
COMMAND = re.compile(r"[!/](\d*[a-z][\w-]*)(?:@\w+)?(?:\s|$)", re.IGNORECASE)
"""What people type to other bots: `!roll 2d6`, `/play`, `/start@dice_bot`."""
TURNED_INTO_TEXT = "shrug tableflip unflip lenny me spoiler tts silent"
TONE_TAGS = "s j hj srs nsrs gen g lh hlh pos neg nm nf c ref r t p lyr sarc sarcasm"
NO_COMMANDS = frozenset((TURNED_INTO_TEXT + " " + TONE_TAGS).split())
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\ufeff"
FEWEST_WORDS_OF_A_COPY = 4
SHORTEST_COPY = 25
"""Shorter lines are said again naturally: "lol ok", "im 5 min away", "what is wrong with it?"."""
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class CleanLine:
    """A message as plain words on one line."""

    id: int
    chat: str
    person: str
    sent_at: datetime
    text: str
    chat_id: int = 0
    message_id: str | None = None
    reply_to: str | None = None
    repeated: bool = False
    """Whether it stands here once more, before an answer to it."""


@dataclass(slots=True)
class CleaningReport:
    """read = kept + the sum of dropped."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """By the name of the rule."""
    changed: Counter[str] = field(default_factory=Counter)
    """Of the kept messages, by the name of the rule."""
    private: Counter[str] = field(default_factory=Counter)
    """What kinds of private data were found, how often."""
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Rule to some texts before and after it, "" if dropped, from all over the corpus."""


class Run:
    """What rules know beside the message."""

    def __init__(self, names: Mapping[str, str], report: CleaningReport) -> None:
        self.names = names
        self.report = report
        self.said: set[int] = set()
        self._chance = random.Random("examples")

    def note(self, rule: str, before: str, after: str) -> None:
        """Keeps each of the rule's examples with the same chance, whenever it comes."""
        happened = self.report.dropped[rule] + self.report.changed[rule]
        examples = self.report.examples.setdefault(rule, [])
        if len(examples) < EXAMPLES:
            examples.append((before, after))
            return
        place = int(self._chance.random() * happened)
        if place < EXAMPLES:
            examples[place] = (before, after)


Drops = Callable[[StoredMessage, str, Run], bool]
Changes = Callable[[str, Run], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """Either drops messages, or changes their text. A changed text of which nothing is left, or
    None, drops the message, too."""

    name: str
    says: str
    drops: Drops | None = None
    changes: Changes | None = None


def clean(
    messages: Iterable[StoredMessage],
    names: Mapping[str, str],
    report: CleaningReport,
    keep: Collection[str] = (),
) -> Iterator[CleanLine]:
    """The messages that people wrote, as plain words; the rest is counted in `report`.

    `names`: see `with_names`. `keep`: the names of rules that are switched off; raises
    FinetuneError if there is no such rule.
    """
    return _clean(messages, rules_without(keep), Run(names, report))


def rules_without(keep: Collection[str]) -> tuple[Rule, ...]:
    """Raises FinetuneError if a name in `keep` is no rule's."""
    names = [rule.name for rule in RULES]
    for name in keep:
        if name not in names:
            near = get_close_matches(name, names, 1, cutoff=0.5)
            meant = f"; did you mean {near[0]!r}?" if near else "."
            raise FinetuneError(
                f"There is no cleaning rule {name!r}{meant} The rules are: {', '.join(names)}."
            )
    return tuple(rule for rule in RULES if rule.name not in keep)


def _clean(
    messages: Iterable[StoredMessage], rules: tuple[Rule, ...], run: Run
) -> Iterator[CleanLine]:
    report = run.report
    for message in messages:
        report.read += 1
        text = _cleaned(message, rules, run)
        if text is not None:
            report.kept += 1
            yield CleanLine(
                message.id, message.chat, message.person, message.sent_at, text,
                message.chat_id, message.message_id, message.reply_to,
            )  # fmt: skip


def _cleaned(message: StoredMessage, rules: tuple[Rule, ...], run: Run) -> str | None:
    """The text of a message as plain words on one line, or None if a rule drops it."""
    report, text = run.report, message.text
    changed: list[tuple[str, str, str]] = []
    for rule in rules:
        if rule.changes is not None:
            after = rule.changes(text, run)
            if after == text:
                continue
            if after and (after.strip() or not text.strip()):
                changed.append((rule.name, text, after))
                text = after
                continue
        elif rule.drops is None or not rule.drops(message, text, run):
            continue
        report.dropped[rule.name] += 1
        run.note(rule.name, message.text, "")
        return None
    for name, before, after in changed:
        report.changed[name] += 1
        run.note(name, before, one_line(after))
    return one_line(text)


def _is_command(text: str) -> bool:
    found = COMMAND.match(text)
    return found is not None and found[1].casefold() not in NO_COMMANDS


def _without_placeholders(text: str) -> str | None:
    return None if is_media_placeholder(text) else without_attachment_names(text)


def _without_private_data(text: str, run: Run) -> str:
    text, kinds = without_private_data(text)
    if kinds:
        run.report.private.update(kinds)
    return text


def _is_too_short(text: str) -> bool:
    """Whether there is nothing, or one letter or sign. An emoji or a figure says something, as
    does a character of a writing in which one may be a word (Chinese, Japanese, Korean)."""
    if len(text) > 8:
        return False
    text = text.strip().strip(INVISIBLE)
    if len(text) > 1:
        return False
    return not text or not (
        unicodedata.category(text) in ("So", "Nd") or (text >= "\u2e80" and text.isalpha())
    )


def _was_said(message: StoredMessage, text: str, run: Run) -> bool:
    if len(text) < SHORTEST_COPY:
        return False
    words = text.split()
    if len(words) < FEWEST_WORDS_OF_A_COPY:
        return False
    said = hash((message.person, *words))
    if said in run.said:
        return True
    run.said.add(said)
    return False


RULES: tuple[Rule, ...] = (
    Rule(
        "system-lines",
        "Lines that the chat program wrote by itself: joined, pinned, missed call.",
        drops=lambda message, text, run: message.kind == "system" or is_system_notice(text),
    ),
    Rule(
        "bots",
        "Messages of other bots.",
        drops=lambda message, text, run: message.kind == "bot",
    ),
    Rule(
        "webhooks",
        "Messages under made-up names, which programs post through webhooks.",
        drops=lambda message, text, run: message.kind == "webhook",
    ),
    Rule(
        "forwarded",
        "Messages that somebody passed on, as others wrote them.",
        drops=lambda message, text, run: message.forwarded,
    ),
    Rule(
        "attachments",
        "Pictures and files that were sent without a word.",
        drops=lambda message, text, run: message.attachments > 0 and not text.strip(),
    ),
    Rule(
        "deleted-notices",
        "Notices that stand for a deleted message.",
        drops=lambda message, text, run: is_deleted_notice(text),
    ),
    Rule(
        "media-placeholders",
        'Words that stand for a picture, sound or file, such as "<Media omitted>".',
        changes=lambda text, run: _without_placeholders(text),
    ),
    Rule(
        "bot-commands",
        'Commands to other bots, such as "!roll" and "/play".',
        drops=lambda message, text, run: text[:1] in ("!", "/") and _is_command(text),
    ),
    Rule(
        "code-blocks",
        "Blocks of program code between ``` and ```.",
        changes=lambda text, run: CODE_BLOCK.sub(" ", text) if "```" in text else text,
    ),
    Rule(
        "quotes",
        'Quoted lines, which begin with "> ".',
        changes=lambda text, run: QUOTE.sub("", text) if ">" in text else text,
    ),
    Rule(
        "links",
        "Addresses of web pages.",
        changes=lambda text, run: without_links(text) if "://" in text or "." in text else text,
    ),
    Rule(
        "mentions",
        'Raw mentions such as "<@42>" and the @ in front of names; names are put in their place.',
        changes=lambda text, run: with_names(text, run.names),
    ),
    Rule(
        "custom-emoji",
        "Emoji that a server made itself; the words of their names are put in their place.",
        changes=lambda text, run: emoji_as_words(text),
    ),
    Rule(
        "tags",
        "Discord's raw tags of channels and times.",
        changes=lambda text, run: without_tags(text),
    ),
    Rule(
        "style-marks",
        "The signs that make text bold, italic, code or a spoiler; the words stay.",
        changes=lambda text, run: without_style_marks(text),
    ),
    Rule(
        "private-data",
        "E-mail addresses, phone, card and account numbers, IP addresses and streets, which a"
        " neutral word replaces; lines with a password or key are left out.",
        changes=_without_private_data,
    ),
    Rule(
        "too-short",
        "Empty messages and those of a single letter or sign; an emoji or a figure stays.",
        drops=lambda message, text, run: (
            _is_too_short(text) and not (message.attachments > 0 and not message.text.strip())
        ),
    ),
    Rule(
        "exact-repeats",
        "What the same person says once more word by word, if it is longer than a short phrase.",
        drops=_was_said,
    ),
)
"""In the order in which they are applied."""
