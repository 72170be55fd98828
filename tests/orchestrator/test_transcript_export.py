"""`botconvo transcript` and `botconvo why`, as people use them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.clock import VirtualClock
from orchestrator.transcript import LineKind, Transcript
from orchestrator.transcript.export import as_markdown, as_page, as_text
from tests.conftest import botconvo_here, run_botconvo
from tests.orchestrator.test_explain import WHOLE, whole_turn

NOW = datetime.now(UTC)
KINDS: tuple[LineKind, ...] = ("person", "friend", "silence")
EVIL = """<script src="https://x.test/a.js"></script> & "quotes" <img src=//x.test onerror='1'>"""


@pytest.fixture
def show() -> Iterator[Transcript]:
    """A show that is going on in the folder in which commands look."""
    with Transcript.open(Path("data/transcript.sqlite"), fresh=True, seed=1, now=NOW) as earlier:
        earlier.add("Ana", "friend", "long ago", {}, NOW - timedelta(days=9))
    with Transcript.open(Path("data/transcript.sqlite"), fresh=True, seed=2, now=NOW) as opened:
        opened.add("Ana", "friend", "two days ago", {}, NOW - timedelta(days=2))
        asked = opened.add("Sam", "person", "is that the *tuba*?", {}, NOW - timedelta(hours=3))
        why = {"turn": whole_turn(asked), **WHOLE}
        opened.add("Dex", "friend", "the tuba ate it", why, NOW, asked)
        opened.unsay(opened.add("Dex", "friend", "never mind", {}, NOW))
        opened.add("Ana", "silence", "", {"reason": "it is busy"}, NOW)
        opened.add("Sam", "command", "/status", {"name": "status", "answer": "running"}, NOW)
        yield opened


def shown(*arguments: object) -> list[str]:
    done = botconvo_here("transcript", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [
        re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()
    ]


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_was_said_is_printed_while_the_show_goes_on(show: Transcript) -> None:
    assert shown() == ["Ana: two days ago", "Sam: is that the *tuba*?", "Dex: the tuba ate it"]
    show.add("Dex", "friend", "one\nmore \x1b[2J", {}, NOW)
    assert shown()[-1] == "Dex: one more  [2J"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--since", "4h", "--until", "2h"], ["Sam: is that the *tuba*?"]),
        (["--since", "1 day"], ["Sam: is that the *tuba*?", "Dex: the tuba ate it"]),
        (["--until", "1 day"], ["Ana: two days ago"]),
        (["--search", "TUBA ate"], ["Dex: the tuba ate it"]),
        (["--all", "--until", "1 day"], ["Ana: long ago", "Ana: two days ago"]),
    ],
)
def test_lines_are_picked_by_time_and_words(
    show: Transcript, arguments: list[str], lines: list[str]
) -> None:
    assert shown(*arguments) == lines


def test_markdown_takes_no_sign_of_a_text_for_its_own(show: Transcript) -> None:
    *_, person, _, friend = shown("--md")
    assert person == r"**Sam:** is that the \*tuba\*?"
    assert friend == "**Dex:** the tuba ate it"


def test_json_lines_hold_everything(show: Transcript) -> None:
    lines = [json.loads(line) for line in shown("--jsonl")]
    kinds = ["friend", "person", "friend", "friend", "silence", "command"]
    assert [line["kind"] for line in lines] == kinds
    assert lines[2]["why"]["attempts"] == WHOLE["attempts"]
    assert [line["unsaid"] for line in lines] == [False] * 3 + [True] + [False] * 2
    assert datetime.fromisoformat(lines[2]["said_at"]) == NOW


def test_the_page_needs_nothing_else_and_tells_why(show: Transcript) -> None:
    show.add(EVIL, "friend", EVIL, {"turn": {"phrase": EVIL, "chosen_because": EVIL}}, NOW)
    done = botconvo_here("transcript", "--html", "--out", "show.html")
    assert (done.returncode, done.stdout) == (0, "show.html is written.\n")
    page = Page(Path("show.html").read_text(encoding="utf-8"))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "form", "base"}
    targets = [v for _, a in page.elements for k, v in a.items() if k in ("src", "href", "action")]
    assert all(str(target).startswith("#line-") for target in targets)
    assert page.text.count(EVIL) == 7, "name and text, both in the heading, name, reason, phrase"
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "details"]
    assert ids == [f"line-{n}" for n in range(2, 9)]
    assert "banned word: BAD" in page.text
    policy = [a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a]
    assert str(policy[0]).startswith("default-src 'none';")


def test_an_old_file_stays_when_there_is_nothing_to_write(show: Transcript) -> None:
    target = Path("kept.md")
    target.write_text("older")
    done = botconvo_here("transcript", "--md", "--search", "unheard", "--out", target)
    assert (done.returncode, done.stderr) == (
        2, "botconvo: There is no such line in the last conversation; --all looks in all.\n",
    )  # fmt: skip
    assert target.read_text() == "older"
    assert [p.name for p in Path().iterdir() if p.name != "data"] == ["kept.md"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "sometimes"], "'sometimes' is no time; write it as"),
        (["--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h; exchange them."),
        (["--out", "no/such/folder/x"], "cannot be written (No such file or directory); name"),
        (["--settings", "gone.toml"], "gone.toml: there is no such settings file."),
    ],
)
def test_a_mistake_is_one_sentence(show: Transcript, arguments: list[str], message: str) -> None:
    done = botconvo_here("transcript", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["why", "transcript"])
def test_without_a_transcript_one_is_told_how_to_get_one(command: str) -> None:
    done = botconvo_here(command)
    assert done.returncode == 2
    assert "start a show with: botconvo run" in done.stderr
    assert not Path("data").exists()


def test_why_explains_a_line_by_number_or_the_last(show: Transcript) -> None:
    done = run_botconvo("why", 4)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('Dex said "the tuba ate it" (line 4, ')
    assert "The runner-up was Juno." in done.stdout
    assert botconvo_here("why", "LAST").stdout.startswith("Ana stayed silent (line 6, ")
    assert botconvo_here("why").stdout.splitlines()[1] == "Why: it is busy."
    data = json.loads(botconvo_here("why", 3, "--json").stdout)
    assert [answer["id"] for answer in data["answers"]] == [4]
    assert data["explanation"][1] == 'Dex answered "the tuba ate it" (line 4).'
    assert "There is no line 99" in botconvo_here("why", 99).stderr


def test_the_transcript_lies_beside_the_settings(show: Transcript, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "settings.toml").write_text("schema = 1\n")
    done = run_botconvo(
        "transcript", "--settings", tmp_path / "settings.toml", cwd=tmp_path / "elsewhere"
    )
    assert done.returncode == 0
    assert "Dex: the tuba ate it" in done.stdout


def test_whoever_reads_only_the_beginning_gets_no_complaint(show: Transcript) -> None:
    for number in range(3000):
        show._database.execute(
            "INSERT INTO lines (conversation, run, said_at, speaker, kind, text, why)"
            f" VALUES (2, 2, '2026-01-01T00:00:00+00:00', 'Ana', 'friend', 'line {number}', '{{}}')"
        )
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "transcript"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /dev/stdout here")
def test_a_pipe_can_be_named_as_the_file(show: Transcript) -> None:
    done = run_botconvo("transcript", "--out", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert "Dex: the tuba ate it" in done.stdout


def test_a_show_without_a_real_clock_tells_times_since_its_start_and_no_dates() -> None:
    begin = VirtualClock(real=False).now()
    with Transcript.open(Path("data/transcript.sqlite"), fresh=True, seed=1, now=begin) as show:
        show.add("Ana", "friend", "hello", {}, begin + timedelta(hours=30, seconds=5))
        assert list(as_text(show, show.lines())) == ["+30:00:05 Ana: hello\n"]
        assert "conversation 1, times since it began" in "".join(as_markdown(show, show.lines()))
        page = "".join(as_page(show, show.lines()))
        assert "2000" not in page
        assert "said &quot;hello&quot; (line 1, 30:00:05 after its show began)" in page
    done = botconvo_here("transcript", "--since", "2h")
    assert done.returncode == 2
    assert "a show with --seed or --lines keeps no dates" in done.stderr


def test_a_page_of_twice_the_lines_takes_twice_the_work(tmp_path: Path) -> None:
    def steps(count: int) -> int:
        """Thousands of SQLite's steps."""
        done = 0

        def note() -> int:
            nonlocal done
            done += 1
            return 0

        path = tmp_path / f"{count}.sqlite"
        with Transcript.open(path, fresh=True, seed=1, now=NOW) as show:
            for number in range(count):
                # Nobody answers Sam, and Ana falls silent now and then.
                kind = KINDS[number % 3]
                show.add("Sam" if kind == "person" else "Ana", kind, str(number), {}, NOW)
            show._database.set_progress_handler(note, 1000)
            assert len(list(as_page(show, show.lines()))) > count
        return done

    assert steps(1600) < 3 * steps(800)
