"""The command as its user calls it: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from finetune.cli import main
from finetune.evaluation.pages import Heading, Paragraph, Quote, Table, as_html, as_markdown
from model_server.checkpoint_format import END_OF_TEXT, START_OF_TEXT, Manifest
from tests.conftest import run_botconvo

LINES = 2


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """Two dialogue friends, and one of them again as the monologue friend Juno."""
    folder = tmp_path_factory.mktemp("evaluated") / "checkpoints"
    shutil.copytree(checkpoints, folder)
    shutil.copytree(folder / "marlow", folder / "juno")
    Manifest.read(folder / "juno").model_copy(
        update={
            "friend": "Juno", "speaker": "Juno", "style": "monologue",
            "prompt_prefix": START_OF_TEXT, "stop": END_OF_TEXT,
        }
    ).write(folder / "juno")  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def evaluated(three: Path, models: Path, corpus_file: Path) -> tuple[dict[str, Any], Path, str]:
    """The JSON document of an evaluation of all three, its folder, and what it said."""
    out = three.parent / "out"
    done = run_botconvo(
        "evaluate", "--corpus", corpus_file, "--checkpoints", three, "--models", models,
        "--out", out, "--lines", LINES, "--threads", 1, "--json", timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out, done.stderr


Evaluated = tuple[dict[str, Any], Path, str]


def test_every_friend_is_measured_and_the_missing_one_is_named(evaluated: Evaluated) -> None:
    document, _, said = evaluated
    friends = {row["friend"]: row for row in document["friends"]}
    assert {name: row["style"] for name, row in friends.items()} == {
        "Priya": "dialogue",
        "Marlow": "dialogue",
        "Juno": "monologue",
    }
    for row in friends.values():
        assert row["base_model"] == "tiny"
        own, base = (row[model]["bits_per_byte"] for model in ("personal", "base"))
        # Juno's clone has never read Juno.
        assert 0 < own < 12 if row["friend"] == "Juno" else 0 < own < base < 12
        assert row["pooled"] is None
        assert sum(row["candidates"].values()) >= LINES * 5
        assert row["asked"] == LINES
        assert row["asked"] - row["silent"] == (row["generated"] or {"lines": 0})["lines"]
        assert row["verdict"]["advice"]
        longest = row["real_copies"]["longest"]
        # With 500 pieces of words, most words take several.
        assert len(longest.split()) < row["real_longest_tokens"] <= len(longest)
    assert [gone["name"] for gone in document["missing"]] == ["Dex"]
    assert re.search(r"^botconvo: Dex is left out: .*dex is no finished checkpoint\.$", said, re.M)


def test_the_matrix_holds_every_model_on_everybodys_messages(evaluated: Evaluated) -> None:
    document, _, _ = evaluated
    matrix = document["matrix"]
    assert set(matrix) == {"Priya", "Marlow", "Juno"}
    for name, row in matrix.items():
        assert set(row) == set(matrix)
        own = next(r["personal"] for r in document["friends"] if r["friend"] == name)
        assert row[name] == own


def test_likeness_knows_real_lines_far_better_than_chance(evaluated: Evaluated) -> None:
    document, _, _ = evaluated
    real = document["likeness"]["real"]
    assert document["likeness"]["chance"] == pytest.approx(1 / 3)
    assert real["accuracy"]["value"] > 0.8
    for name, row in document["likeness"]["generated"]["confusion"].items():
        said = next(r for r in document["friends"] if r["friend"] == name)
        assert sum(row.values()) == said["asked"] - said["silent"]


class Sources(HTMLParser):
    """Everything that a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attributes if name in ("src", "srcset")]


def test_the_page_stands_by_itself_in_light_and_dark(evaluated: Evaluated) -> None:
    document, out, _ = evaluated
    assert document["page"] == str(out / "evaluation.html")
    text = (out / "evaluation.html").read_text(encoding="utf-8")
    page = Sources()
    page.feed(text)
    assert len(page.found) == 6
    assert all(source.startswith("data:image/png;base64,") for source in page.found)
    assert page.tags.isdisjoint({"script", "link", "iframe"})
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "rows of different styles do not compare" in text


def test_the_markdown_page_names_pictures_that_are_there(evaluated: Evaluated) -> None:
    _, out, _ = evaluated
    named = re.findall(r"!\[.*\]\((.*)\)", (out / "evaluation.md").read_text(encoding="utf-8"))
    assert named == ["bits-per-byte.png", "matrix.png", "likeness.png"]
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in named)
    files = {"evaluation.html", "evaluation.json", "evaluation.md", *named}
    assert {path.name for path in out.iterdir()} == files
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert written["friends"][0]["friend"] == "Priya"


def test_one_friend_alone_is_evaluated_without_likeness(
    checkpoints: Path, models: Path, corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process, which knows TensorFlow already.
    code = main([
        "evaluate", "marlow", "--corpus", str(corpus_file), "--checkpoints", str(checkpoints),
        "--models", str(models), "--lines", "1", "--threads", "1",
    ])  # fmt: skip
    assert code == 0
    head, row, *rest = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", head)[:3] == ["friend", "base", "clone"]
    assert row.startswith("Marlow")
    assert rest[-1] == f"{Path('data/evaluation/evaluation.html')} tells the rest."
    page = Path("data/evaluation/evaluation.md").read_text(encoding="utf-8")
    assert "Likeness needs two friends" in page
    assert "likeness.png" not in page


def test_mistakes_are_told_in_one_sentence(
    tmp_path: Path, corpus_file: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: object) -> str:
        code = main(["evaluate", *map(str, arguments)])
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        [line] = printed.err.splitlines()
        return line

    assert "botconvo import" in said()
    options = ("--corpus", corpus_file, "--checkpoints")
    assert "make one with: botconvo train --all" in said(*options, tmp_path / "none")
    assert "Nobody" in said("Nobody", *options, checkpoints)
    (tmp_path / "file").write_text("")
    assert "file" in said(*options, checkpoints, "--out", tmp_path / "file")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lines", "0"], "'0' is no whole number from 1 on"),
        # numpy took none below 0, which showed after minutes of work.
        (["--seed", "-1"], "'-1' is no whole number from 0 on"),
        (["--threads", "-1"], "'-1' is no whole number from 0 on"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_the_work(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["evaluate", "--demo", *arguments])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


def test_what_people_write_is_no_markup_on_the_page() -> None:
    nasty = "<script>alert(1)</script> | **bold** [x](http://a.b) & `c`"
    blocks = [
        Heading(nasty),
        Paragraph(nasty),
        Quote((nasty,)),
        Table(("friend", "a"), ((nasty, "1"),)),
    ]
    page = Sources()
    page.feed(as_html(nasty, blocks))
    assert "script" not in page.tags
    markdown = as_markdown(blocks)
    assert "<script" not in markdown.replace(r"\<", "")
    assert "**" not in markdown.replace(r"\*", "")
    # A bar in a cell would make another column.
    assert markdown.splitlines()[-1].replace(r"\|", "").count("|") == 3
