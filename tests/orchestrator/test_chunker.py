"""The packaged pipeline: what it finds in lines it has never seen, what lies in its folder,
and the recipe that makes it, on a treebank of a few sentences."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator.phrases.chunks import PACKAGED, ChunkReader, chunk_spans, load_chunks
from orchestrator.phrases.rarity import TABLE, TableRarity
from tests.conftest import ROOT

RECIPE = ROOT / "scripts" / "chunker" / "training.py"
LARGEST_BYTES = 6_000_000
LEAST_F1 = 0.85

CHAT_LINES = """
[i] left [my umbrella] on [the tram] again
ngl [the new burger place] is kinda mid
does [anyone] have [a spare charger] for [the speaker]
[my flatmate] bought [a second hand trombone] lol
[she] said [the landlord] is coming at [noon]
can [you] bring [the blue cooler] and [some ice]
[our goalkeeper] twisted [his ankle] during [warm up]
just finished [the last season] of [that baking show]
[the wifi password] is on [the fridge]
[we] need [a bigger boat]
[who] ate [the leftover lasagna]
[he] keeps sending [me] [pictures] of [his sourdough]
[the printer] is making [that weird noise] again
[the old bridge] is closed because of [the flood]
[i] dreamed about [a talking goose]
[my sister] wants to adopt [a three legged cat]
[nobody] told [me] about [the surprise party]
look at [this tiny spoon]
[the neighbours] are painting [their balcony] green
[your playlist] saved [my morning commute]
stop feeding [the pigeons]
[the exam] was easier than [the homework]
[it] smells like [burnt toast] in here
[we] should rent [a cabin] near [the lake]
"""


@pytest.fixture(scope="module")
def reader() -> ChunkReader:
    return load_chunks("", "en")


def with_gold(line: str) -> tuple[str, set[str]]:
    return line.replace("[", "").replace("]", ""), set(re.findall(r"\[(.+?)\]", line))


def test_noun_chunks_of_hand_written_chat_are_found(reader: ChunkReader) -> None:
    right = found = wanted = 0
    for line in CHAT_LINES.strip().splitlines():
        text, gold = with_gold(line)
        mine = {
            text[chunk[0].start : chunk[-1].start + len(chunk[-1].text)]
            for chunk in reader.chunks(text)
        }
        right += len(gold & mine)
        found += len(mine)
        wanted += len(gold)
    assert 2 * right / (found + wanted) >= LEAST_F1


def test_chunks_are_in_order_and_do_not_overlap(reader: ChunkReader) -> None:
    text = "my sister's old trombone teacher lost the keys of the music room yesterday"
    place = 0
    for chunk in reader.chunks(text):
        assert chunk[0].start >= place
        for word in chunk:
            assert text[word.start :].startswith(word.text + word.space)
        place = chunk[-1].start + len(chunk[-1].text)
    assert place > 0


@pytest.mark.parametrize(
    ("tags", "parts", "spans"),
    [
        ("BIOB", ["DET", "NOUN", "VERB", "PRON"], [(0, 2), (3, 4)]),
        ("OIIO", ["VERB", "ADJ", "NOUN", "VERB"], [(1, 3)]),
        ("BBII", ["PRON", "DET", "ADJ", "NOUN"], [(0, 1), (1, 4)]),
        ("BIO", ["DET", "ADJ", "VERB"], []),
        ("", [], []),
    ],
)
def test_tags_become_spans(tags: str, parts: list[str], spans: list[tuple[int, int]]) -> None:
    assert list(chunk_spans(tags, parts)) == spans


def test_the_packaged_pipeline_is_small_and_says_how_good_it_is() -> None:
    files = [path for path in PACKAGED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST_BYTES
    scores = json.loads((PACKAGED / "meta.json").read_text(encoding="utf-8"))["performance"]
    assert scores["noun_chunks_f1_as_written"] >= 0.885
    assert scores["noun_chunks_f1_bare"] >= 0.855


def test_its_licence_and_sources_are_beside_it() -> None:
    licence = (PACKAGED / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("Attribution-ShareAlike 4.0 International")
    notice = (PACKAGED / "NOTICE.md").read_text(encoding="utf-8")
    assert "UD_English-EWT" in notice
    assert "CC BY-SA\n4.0" in notice or "CC BY-SA 4.0" in notice
    assert notice == (RECIPE.parent / "NOTICE.md").read_text(encoding="utf-8")
    meta = json.loads((PACKAGED / "meta.json").read_text(encoding="utf-8"))
    assert meta["license"] == "CC BY-SA 4.0"


def test_a_wheel_takes_the_pipeline_along() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["orchestrator"]
    packed = {path for pattern in patterns for path in (ROOT / "orchestrator").glob(pattern)}
    assert {path for path in PACKAGED.rglob("*") if path.is_file()} <= packed
    licences = settings["project"]["license-files"]
    assert {"orchestrator/chunker/LICENSE", "orchestrator/chunker/NOTICE.md"} <= set(licences)


def test_the_word_list_knows_common_words_and_takes_others_for_rare() -> None:
    rarity = TableRarity.read(TABLE)
    assert 0 < rarity.weight(["people"]) < rarity.weight(["pizza"]) < rarity.weight(["walrus"])
    assert rarity.weight(["Pizza"]) == rarity.weight(["pizza"])
    assert rarity.weight(["purple", "walrus"]) > rarity.weight(["walrus"])
    assert rarity.weight([]) > 0


SENTENCES = """
1	My	my	PRON	PRP$	_	2	nmod:poss	_	_
2	dog	dog	NOUN	NN	_	3	nsubj	_	_
3	ate	eat	VERB	VBD	_	0	root	_	_
4	the	the	DET	DT	_	6	det	_	_
5	old	old	ADJ	JJ	_	6	amod	_	_
6	shoe	shoe	NOUN	NN	_	3	obj	_	SpaceAfter=No
7	.	.	PUNCT	.	_	3	punct	_	_

1	It	it	PRON	PRP	_	5	nsubj	_	_
2-3	wasn't	_	_	_	_	_	_	_	_
2	was	be	AUX	VBD	_	5	cop	_	_
3	n't	not	PART	RB	_	5	advmod	_	_
4	Ada	Ada	PROPN	NNP	_	5	compound	_	_
5	Lovelace	Lovelace	PROPN	NNP	_	0	root	_	_

"""


def test_the_recipe_turns_a_treebank_into_a_pipeline(tmp_path: Path) -> None:
    treebank, target = tmp_path / "treebank", tmp_path / "chunker"
    treebank.mkdir()
    for part in ("train", "dev", "test"):
        with gzip.open(treebank / f"en_tiny-ud-{part}.conllu.gz", "wt", encoding="utf-8") as file:
            file.write("# a remark\n" + SENTENCES.lstrip() * 20)
    (treebank / "LICENSE.txt").write_text("free\n", encoding="utf-8")
    command = [sys.executable, RECIPE, treebank, "--work", tmp_path / "work", "--into", target]
    done = subprocess.run(
        [*map(str, command), "--steps", "30"], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["noun_chunks_f1_as_written"] > 0.5
    made = load_chunks(str(target), "en")
    assert made.language == "en"
    assert (target / "LICENSE").read_text(encoding="utf-8") == "free\n"
    assert TableRarity.read(target / "words.tsv").weight(["dog"]) > 0


def test_a_folder_without_a_treebank_is_named_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RECIPE), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "holds no single *-ud-train.conllu.gz" in done.stderr
    assert "Traceback" not in done.stderr
