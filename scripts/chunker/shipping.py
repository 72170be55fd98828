"""A trained pipeline -> the folder of package data: the pipeline without what training added,
its scores, its licence and its notice."""

# ruff: noqa: TID253 - this is spaCy's training, nothing here is loaded by the program.

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

NOTICE = Path(__file__).parent / "NOTICE.md"
NAME = "chat_noun_chunks"
VERSION = "1"
COMPATIBLE = ">=3.8.0,<4.0.0"
"""Releases of spaCy that read the pipeline; it warns of every other."""
DEFAULT_SCORER = {"@scorers": "spacy.tagger_scorer.v1"}


def ship(trained: Language, treebank: Path, target: Path, scores: dict[str, float]) -> None:
    """Writes the packaged pipeline into `target`, in place of what is there."""
    licences = sorted(treebank.glob("LICENSE*"))
    if len(licences) != 1:
        sys.exit(
            f"{treebank} holds no single LICENSE file, which must be shipped with the pipeline."
        )
    nlp = compact(trained)
    nlp.meta.update(
        name=NAME, version=VERSION, spacy_version=COMPATIBLE, license="CC BY-SA 4.0",
        author="BotConvo", url="", email="",
        description="Noun chunks of English chat: parts of speech, and NP=B, I or O.",
        sources=[{
            "name": "Universal Dependencies English EWT", "license": "CC BY-SA 4.0",
            "url": "https://github.com/UniversalDependencies/UD_English-EWT",
        }],
        performance=scores,
    )  # fmt: skip
    shutil.rmtree(target / "morphologizer", ignore_errors=True)
    nlp.to_disk(target)
    for needless in ("vectors", "vectors.cfg", "key2row", "lookups.bin"):
        (target / "vocab" / needless).unlink(missing_ok=True)
    shutil.copyfile(licences[0], target / "LICENSE")
    shutil.copyfile(NOTICE, target / "NOTICE.md")


def compact(trained: Language) -> Language:
    """The same pipeline with a vocabulary of its labels only, not of the words it saw."""
    morphologizer = trained.get_pipe("morphologizer")
    config = {**trained.get_pipe_config("morphologizer"), "scorer": DEFAULT_SCORER}
    fresh = spacy.blank("en")
    copy = fresh.add_pipe(config.pop("factory"), config=config)
    example = Example(fresh.make_doc("a"), Doc(fresh.vocab, ["a"], pos=["NOUN"], morphs=[""]))
    copy.initialize(lambda: [example], nlp=fresh, labels=morphologizer.label_data)
    copy.model.from_bytes(morphologizer.model.to_bytes())
    return fresh
