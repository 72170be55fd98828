"""How often words are used: the table of orchestrator/chunker/words.tsv.

Each source counts alike, whatever its size, and the mean is geometric: a word that only one of
them uses much (of films, of camping) stays a rare word.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

WORDS = 8000
"""Of the table; what is not in it counts as a little rarer than its last."""
WORD = re.compile(r"[^\W\d_]+")
BILLION = 1e9


def counts(texts: Iterable[str]) -> Counter[str]:
    """Words in lower case, without digits and marks: "don't" counts as "don" and "t"."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(WORD.findall(text.lower()))
    return found


def dialogue_texts(path: Path) -> Iterable[str]:
    """All that is said in a .jsonl.gz of dialogues: lines {"turns": [{"text": ...}, ...]}."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            for turn in json.loads(line)["turns"]:
                yield turn["text"]


def zipf_values(sources: Mapping[str, Counter[str]]) -> dict[str, float]:
    """log10 of the uses in a billion words, for the commonest words, commonest first."""
    totals = {name: found.total() for name, found in sources.items()}
    words: set[str] = set().union(*sources.values())
    values = {
        word: math.fsum(
            # Half a use more than was seen, or one source without a word would rule it out.
            math.log10((found[word] + 0.5) / (totals[name] + 0.5) * BILLION)
            for name, found in sources.items()
        )
        / len(sources)
        for word in words
    }
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:WORDS])


def write_table(path: Path, values: Mapping[str, float], sources: Iterable[str]) -> None:
    lines = [
        "# How common words are: log10 of their uses in a billion words (Zipf value).",
        f"# Geometric mean over: {', '.join(sources)}. Licence: NOTICE.md beside this file.",
        *(f"{word}\t{value:.2f}" for word, value in values.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
