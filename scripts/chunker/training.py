"""A treebank -> the noun-chunk pipeline of orchestrator/chunker, by spaCy's own training loop.

Called by scripts/train_chunker. Registers with spaCy what pipeline.cfg names: how the
treebank is read, and how the pipeline is scored.
"""

# ruff: noqa: TID253 - this is spaCy's training, nothing here is loaded by the program.

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import spacy
from chat_forms import as_chat
from frequencies import counts, dialogue_texts, write_table, zipf_values
from scoring import Score, Spans, score
from shipping import ship
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from treebank import Sentence, Word, bare, read_sentences, text_of

from orchestrator.phrases.chunks import FEATURE, noun_chunks

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONFIG = HERE / "pipeline.cfg"
BEST, LAST = "model-best", "model-last"
"""What spaCy calls the folders of the best step and of the last."""
FINISHED = "finished"
"""A file of this name says that a folder holds all of a leg; without it the leg begins anew."""
RATE = "training.optimizer.learn_rate"
LEGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("first-leg", {}),
    ("second-leg", {
        "training.max_steps": 1200, "training.eval_frequency": 300, "training.dropout": 0.15,
        "training.batcher.size.start": 700, "training.batcher.size.stop": 900,
        f"{RATE}.warmup_steps": 20, f"{RATE}.total_steps": 1200, f"{RATE}.initial_rate": 0.0007,
    }),
    ("third-leg", {
        "training.max_steps": 900, "training.eval_frequency": 450, "training.dropout": 0.15,
        "training.batcher.size.start": 700, "training.batcher.size.stop": 900,
        f"{RATE}.warmup_steps": 20, f"{RATE}.total_steps": 900, f"{RATE}.initial_rate": 0.0006,
        "corpora.train.share": 0.45,
    }),
)  # fmt: skip
"""Each goes on from the best step of the one before, with a rate that falls to nothing; the last
sees more text as it was written. What is shipped is the last step of the last."""
LONGEST_MESSAGE_SENTENCES = 3
"""A chat message is of few sentences; those that follow each other in the treebank become one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("treebank", type=Path, metavar="FOLDER", help="with *-ud-train.conllu.gz")
    parser.add_argument("--dialogue", type=Path, metavar="FOLDER", help="with *.jsonl.gz to count")
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "train_chunker")
    parser.add_argument("--into", type=Path, default=ROOT / "orchestrator" / "chunker")
    parser.add_argument("--steps", type=int, help="of training, to try something in short")
    options = parser.parse_args()
    parts = {name: read_part(options.treebank, name) for name in ("train", "dev", "test")}
    fit(options.treebank, parts["train"], options.work, options.steps)
    trained = spacy.load(options.work / LEGS[-1][0] / LAST)
    scores = test_scores(trained, parts["test"])
    ship(trained, options.treebank, options.into, scores)
    sources = {"UD English EWT": counts(map(text_of, parts["train"]))}
    for path in sorted(options.dialogue.glob("*.jsonl.gz")) if options.dialogue else ():
        sources[path.name.split(".")[0]] = counts(dialogue_texts(path))
    write_table(options.into / "words.tsv", zipf_values(sources), sources)
    print(json.dumps(scores))


def fit(treebank: Path, sentences: list[Sentence], work: Path, steps: int | None) -> None:
    """Leaves a folder of each leg in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    labels = work / "labels.json"
    labels.write_text(json.dumps(labels_of(sentences)), encoding="utf-8")
    changes: dict[str, object] = {"paths.treebank": str(treebank), "paths.labels": str(labels)}
    if steps is not None:
        changes |= {"training.max_steps": steps, "training.eval_frequency": steps}
    before: Path | None = None
    for name, of_leg in LEGS:
        config = util.load_config(CONFIG, overrides=of_leg | changes)
        if before:
            config["components"]["morphologizer"] = {"source": str(before / BEST)}
            config["initialize"] = {}
        run(config, work / name)
        before = work / name


def run(config: dict[str, Any], folder: Path) -> None:
    """Trains, unless that was done before."""
    if not (folder / FINISHED).exists():
        folder.mkdir(exist_ok=True)
        train(init_nlp(config), folder, stdout=sys.stdout, stderr=sys.stderr)
        (folder / FINISHED).touch()


def test_scores(nlp: Language, sentences: list[Sentence]) -> dict[str, float]:
    """F1 of noun phrases as written and bare, from 0 to 1."""

    def find(text: str) -> Spans:
        return spans_of(nlp(text))

    short = [sentence for sentence in map(bare, sentences) if sentence]
    return {
        "noun_chunks_f1_as_written": round(score(find, sentences).f1, 4),
        "noun_chunks_f1_bare": round(score(find, short).f1, 4),
    }


def read_part(treebank: Path, name: str) -> list[Sentence]:
    """The sentences of one part of a treebank. Ends the program if it is not there."""
    files = sorted(treebank.glob(f"*-ud-{name}.conllu.gz"))
    if len(files) != 1:
        sys.exit(
            f"{treebank} holds no single *-ud-{name}.conllu.gz; name a folder with a treebank of "
            "https://universaldependencies.org, gzipped."
        )
    return list(read_sentences(files[0]))


def labels_of(sentences: Iterable[Sentence]) -> dict[str, dict[str, object]]:
    """Labels as spaCy's morphologizer keeps them: of every part of speech with every tag."""
    kinds = sorted({(word.pos, word.np) for sentence in sentences for word in sentence})
    names = [(f"{FEATURE}={np}|POS={pos}", f"{FEATURE}={np}", pos) for pos, np in kinds]
    pos_ids = {pos: spacy.symbols.IDS[pos] for pos, _ in kinds}
    return {
        "morph": {name: morph for name, morph, _ in names},
        "pos": {name: pos_ids[pos] for name, _, pos in names},
    }


@spacy.registry.readers("botconvo.treebank.v1")
def treebank_reader(
    folder: str, part: str, share: float
) -> Callable[[Language], Iterator[Example]]:
    """For training: messages in random order, a share of them as chat, anew each time. Else every
    sentence twice, as written and bare."""
    sentences = read_part(Path(folder), part)
    if part == "train":
        return partial(training_examples, sentences, share, random.Random(0))
    return partial(judging_examples, sentences)


def training_examples(
    sentences: list[Sentence], share: float, rng: random.Random, nlp: Language
) -> Iterator[Example]:
    messages = list(grouped(sentences, rng))
    rng.shuffle(messages)
    for message in messages:
        changed = [as_chat(s, rng) for s in message] if rng.random() < share else message
        yield example(joined(changed), nlp)


def judging_examples(sentences: list[Sentence], nlp: Language) -> Iterator[Example]:
    for sentence in sentences:
        yield example(sentence, nlp)
        yield example(bare(sentence), nlp)


def grouped(sentences: list[Sentence], rng: random.Random) -> Iterator[list[Sentence]]:
    place = 0
    while place < len(sentences):
        count = rng.randint(1, LONGEST_MESSAGE_SENTENCES)
        yield sentences[place : place + count]
        place += count


def joined(sentences: Iterable[Sentence]) -> Sentence:
    words: list[Word] = []
    for sentence in sentences:
        if words:
            last = words[-1]
            words[-1] = Word(last.text, True, last.pos, last.np)
        words.extend(sentence)
    return tuple(words)


def example(sentence: Sentence, nlp: Language) -> Example:
    """The text as spaCy's tokenizer parts it, beside the words of the treebank."""
    reference = Doc(
        nlp.vocab,
        words=[word.text for word in sentence],
        spaces=[word.space for word in sentence],
        pos=[word.pos for word in sentence],
        morphs=[f"{FEATURE}={word.np}" for word in sentence],
    )
    return Example(nlp.make_doc(reference.text), reference)


@spacy.registry.scorers("botconvo.noun_chunks.v1")
def make_scorer() -> Callable[..., dict[str, float]]:
    return chunk_scores


def chunk_scores(examples: Iterable[Example], **_: object) -> dict[str, float]:
    """F1 of noun phrases, and the share of words with the right part of speech."""
    right = found = wanted = words = right_words = 0
    for item in examples:
        gold = spans_of(item.reference)
        mine = spans_of(item.predicted)
        right += len(gold & mine)
        found += len(mine)
        wanted += len(gold)
        for word, pos in zip(item.predicted, item.get_aligned("POS", as_string=True), strict=True):
            words += pos is not None
            right_words += pos == word.pos_
    return {
        "chunks": Score(right, found, wanted).f1,
        "pos_acc": right_words / max(words, 1),
    }


def spans_of(doc: Doc) -> Spans:
    return {(doc[start].idx, doc[start:end].end_char) for start, end, _ in noun_chunks(doc)}


if __name__ == "__main__":
    main()
