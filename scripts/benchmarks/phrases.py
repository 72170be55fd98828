"""Noun phrases of a treebank's test part: what the packaged pipeline finds, beside a rule over
its parts of speech and beside runs of plain words.

Exact offsets of characters, all phrases, as written and bare (lower case, no punctuation).
Times are the processor's, so that a busy machine does not blur them; loading and memory are
beyond what Python takes with spaCy, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "chunker"))

import psutil
from scoring import Score, Spans, score
from treebank import Sentence, bare, read_sentences, text_of

from orchestrator.phrases import ChunkPicker
from orchestrator.phrases.chunks import PACKAGED, ChunkReader, PlainRuns, load_chunks
from orchestrator.phrases.rarity import rarity_for

MESSAGE_WORDS = 12
MESSAGES = 2000
WARM_UP_MESSAGES = 100
NAMES = ("Dex", "Juno", "Marlow", "Priya")
RULE = re.compile(r"[DR]?D?(?:[AM]*[NP]+(?:S(?=[AMNP]))?)+|[DR]?M?[NP]|R")
"""Articles and possessives, then adjectives and nouns; or a pronoun. Letters: RULE_LETTERS."""
RULE_LETTERS = {"DET": "D", "ADJ": "A", "NUM": "M", "NOUN": "N", "PROPN": "P", "PRON": "R"}
PLAIN, RULES, OURS = "plain words", "rule over parts of speech", "packaged pipeline"


@dataclass(frozen=True, slots=True)
class Cost:
    load_seconds: float
    megabytes: float
    median_ms: float
    p99_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with *-ud-test.conllu.gz")
    parser.add_argument("--pipeline", default="", help="another spaCy pipeline, for comparison")
    parser.add_argument("--cost-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sentences = test_part(options.folder)
    if options.cost_of is not None:
        print(json.dumps(measure(options.cost_of, options.pipeline, sentences)))
        return
    forms = [sentences, [short for short in map(bare, sentences) if short]]
    methods: dict[str, Callable[[str], Spans]] = {
        PLAIN: spans_of(plain_words()),
        RULES: rule_spans(),
        OURS: spans_of(load_chunks("", "en")),
    }
    if options.pipeline:
        methods[options.pipeline] = spans_of(load_chunks(options.pipeline, "en"))
    scores = {name: [score(find, form) for form in forms] for name, find in methods.items()}
    costs = {name: cost(name, options) for name in methods if name != RULES}
    show(scores, costs)


def test_part(folder: Path) -> list[Sentence]:
    files = sorted(folder.glob("*-ud-test.conllu.gz"))
    if len(files) != 1:
        sys.exit(f"{folder} holds no single *-ud-test.conllu.gz; name a treebank's folder.")
    return list(read_sentences(files[0]))


def plain_words() -> ChunkReader:
    import spacy

    return PlainRuns(spacy.blank("en"))


def spans_of(reader: ChunkReader) -> Callable[[str], Spans]:
    def find(text: str) -> Spans:
        return {
            (chunk[0].start, chunk[-1].start + len(chunk[-1].text)) for chunk in reader.chunks(text)
        }

    return find


def rule_spans() -> Callable[[str], Spans]:
    """The rule over the parts of speech that the packaged pipeline predicts."""
    import spacy

    nlp = spacy.load(PACKAGED)

    def find(text: str) -> Spans:
        doc = nlp(text)
        letters = "".join(
            "S" if word.text in {"'s", "’s"} else RULE_LETTERS.get(word.pos_, "-") for word in doc
        )
        return {
            (doc[found.start()].idx, doc[found.start() : found.end()].end_char)
            for found in RULE.finditer(letters)
        }

    return find


def cost(name: str, options: argparse.Namespace) -> Cost:
    command = [sys.executable, __file__, str(options.folder), "--cost-of", name]
    done = subprocess.run(
        [*command, "--pipeline", options.pipeline], capture_output=True, text=True, check=True
    )
    return Cost(**json.loads(done.stdout))


def measure(name: str, pipeline: str, sentences: list[Sentence]) -> dict[str, float]:
    """In a process of its own: loading, then messages one by one."""
    import spacy

    texts = [text_of(s) for s in map(bare, sentences) if len(s) == MESSAGE_WORDS]
    process = psutil.Process()
    memory, began = process.memory_info().rss, time.thread_time()
    # The first pipeline of a process reads the rules of the language, whichever it is.
    spacy.blank("en")
    reader = plain_words() if name == PLAIN else load_chunks("" if name == OURS else pipeline, "en")
    picker = ChunkPicker(reader, rarity_for("en"), NAMES)
    loaded = time.thread_time() - began
    times_ms = []
    for text in islice(cycle(texts), WARM_UP_MESSAGES + MESSAGES):
        began = time.thread_time()
        picker.phrases(text)
        times_ms.append((time.thread_time() - began) * 1000)
    return {
        "load_seconds": loaded,
        "megabytes": (process.memory_info().rss - memory) / 1e6,
        "median_ms": median(times_ms[WARM_UP_MESSAGES:]),
        "p99_ms": quantiles(times_ms[WARM_UP_MESSAGES:], n=100)[-1],
    }


def show(scores: dict[str, list[Score]], costs: dict[str, Cost]) -> None:
    print(f"{'':<26}{'as written':^18}{'bare':^18}{'12 words, ms':^16}{'loading':^14}")
    print(f"{'':<26}" + f"{'P':>5}{'R':>6}{'F1':>6} " * 2 + f"{'median':>8}{'p99':>7}"
          f"{'s':>8}{'MB':>6}")  # fmt: skip
    for name, (written, short) in scores.items():
        line = f"{name:<26}"
        for found in (written, short):
            line += f"{100 * found.precision:5.1f}{100 * found.recall:6.1f}{100 * found.f1:6.1f} "
        if spent := costs.get(name):
            line += f"{spent.median_ms:8.2f}{spent.p99_ms:7.2f}"
            line += f"{spent.load_seconds:8.2f}{spent.megabytes:6.0f}"
        print(line)
    size = sum(path.stat().st_size for path in PACKAGED.rglob("*") if path.is_file())
    print(f"The packaged pipeline takes {size / 1e6:.1f} MB on disk.")


if __name__ == "__main__":
    main()
