"""Sentences of a Universal Dependencies treebank, with a noun-phrase tag for every word.

Knows CoNLL-U (https://universaldependencies.org/format.html) and what a noun phrase is in a
tree; knows nothing about spaCy, training or chat.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOMINAL = frozenset({"NOUN", "PROPN", "PRON"})
LEFT = frozenset(
    {"det", "det:predet", "amod", "nummod", "compound", "flat", "nmod:poss", "nmod:desc",
     "nmod:unmarked"}
)  # fmt: skip
"""What a noun has before it within its phrase."""
RIGHT = frozenset({"flat", "goeswith"})
"""And after it: the rest of a name, and the rest of a word torn in two."""
JOINTS = frozenset({"-", "/", "–"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word of running text. `np` is B where a noun phrase begins, I within, O outside."""

    text: str
    space: bool
    """Whether white space follows."""
    pos: str
    """Universal part of speech, such as NOUN."""
    np: str = "O"


Sentence = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A word in its tree. `head` counts words from 0 and is -1 at the root."""

    word: Word
    head: int
    relation: str


def read_sentences(path: Path) -> Iterator[Sentence]:
    """All sentences of a .conllu.gz file. Raises ValueError with the line that is none."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for lines in _blocks(file):
            yield with_phrases(_nodes(lines))


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        if line.strip():
            if not line.startswith("#"):
                block.append(line.rstrip("\n"))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _nodes(lines: list[str]) -> list[Node]:
    """Syntactic words: "don't" is two, as it is for spaCy's tokenizer."""
    nodes: list[Node] = []
    glued_until, space_after_glue = 0, True
    for line in lines:
        fields = line.split("\t")
        if len(fields) != 10:
            raise ValueError(f"no line of CoNLL-U: {line!r}")
        number, form, pos, misc = fields[0], fields[1], fields[3], fields[9]
        space = "SpaceAfter=No" not in misc
        if "-" in number:
            glued_until, space_after_glue = int(number.split("-")[1]), space
        elif number.isdigit():
            if int(number) <= glued_until:
                space = space_after_glue and int(number) == glued_until
            nodes.append(Node(Word(form, space, pos), int(fields[6]) - 1, fields[7]))
    return nodes


def with_phrases(nodes: Sequence[Node]) -> Sentence:
    """The words with the tags of their noun phrases; of phrases that overlap the longer wins."""
    spans = [_phrase(nodes, i) for i in range(len(nodes)) if _heads_a_phrase(nodes, i)]
    tags = ["O"] * len(nodes)
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if all(tag == "O" for tag in tags[start:end]):
            tags[start:end] = ["B"] + ["I"] * (end - start - 1)
    return tuple(
        Word(node.word.text, node.word.space, node.word.pos, tag)
        for node, tag in zip(nodes, tags, strict=True)
    )


def _heads_a_phrase(nodes: Sequence[Node], i: int) -> bool:
    node = nodes[i]
    if node.relation in RIGHT:
        return False
    if node.relation in LEFT and node.head > i and _is_nominal(nodes, node.head):
        return False
    return _is_nominal(nodes, i)


def _is_nominal(nodes: Sequence[Node], i: int) -> bool:
    """A noun, or a number after one, which the treebank takes for the head: "April 2"."""
    if nodes[i].word.pos == "NUM":
        before = nodes[i - 1] if i else nodes[i]
        return before.head == i and before.word.pos in NOMINAL
    return nodes[i].word.pos in NOMINAL


def _phrase(nodes: Sequence[Node], head: int) -> tuple[int, int]:
    """First word of the phrase of a noun, and the one after its last."""
    start, end = head, head + 1
    for i in range(head - 1, -1, -1):
        if nodes[i].head != head or i >= start:
            continue
        if nodes[i].relation in LEFT:
            first, after = _subtree(nodes, i)
            between = nodes[after:start]
            if any(node.word.text not in JOINTS for node in between):
                break
            start = first
        elif nodes[i].word.text not in JOINTS:
            break
    for i in range(head + 1, len(nodes)):
        if nodes[i].head == head and nodes[i].relation in RIGHT:
            first, after = _subtree(nodes, i)
            if any(node.word.text not in JOINTS for node in nodes[end:first]):
                break
            end = after
    return start, end


def _subtree(nodes: Sequence[Node], root: int) -> tuple[int, int]:
    """The stretch of words around `root` that hang on it without a gap."""
    start, end = root, root + 1
    while start > 0 and _hangs_on(nodes, start - 1, root):
        start -= 1
    while end < len(nodes) and _hangs_on(nodes, end, root):
        end += 1
    return start, end


def _hangs_on(nodes: Sequence[Node], i: int, root: int) -> bool:
    while i >= 0 and i != root:
        i = nodes[i].head
    return i == root


def bare(sentence: Sentence) -> Sentence:
    """The sentence in lower case and without punctuation, as chat is typed.

    What joins two halves of a word ("well-known") stays.
    """
    kept: list[Word] = []
    for i, word in enumerate(sentence):
        glued = i > 0 and not sentence[i - 1].space and not word.space and i + 1 < len(sentence)
        if word.pos == "PUNCT" and not (glued and word.text in JOINTS):
            if kept:
                kept[-1] = _replaced(kept[-1], space=True)
        else:
            kept.append(Word(word.text.lower(), word.space, word.pos, word.np))
    return mended(kept)


def _replaced(word: Word, *, space: bool) -> Word:
    return Word(word.text, space, word.pos, word.np)


def mended(words: Sequence[Word]) -> Sentence:
    """Words after some were taken out: a phrase that lost its first word begins at its next."""
    result: list[Word] = []
    previous = "O"
    for word in words:
        if word.np == "I" and previous == "O":
            word = Word(word.text, word.space, word.pos, "B")
        previous = word.np
        result.append(word)
    return tuple(result)


def text_of(sentence: Sentence) -> str:
    return "".join(word.text + " " * word.space for word in sentence)


def phrases_of(sentence: Sentence) -> set[tuple[int, int]]:
    """Noun phrases as offsets of characters in the sentence's text: first, and after the last."""
    spans: set[tuple[int, int]] = set()
    start, end, place = -1, 0, 0
    for word in sentence:
        if word.np != "I" and start >= 0:
            spans.add((start, end))
            start = -1
        if word.np == "B":
            start = place
        place += len(word.text)
        end = place
        place += word.space
    if start >= 0:
        spans.add((start, end))
    return spans
