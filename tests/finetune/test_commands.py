"""The commands as a user meets them: mistakes in one sentence, nothing lost, output that can be
pasted."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from finetune import cli
from finetune.collect import collect
from finetune.corpus import Corpus
from finetune.dataset import CleanCorpus
from finetune.importers.discord_chat_exporter_json import DiscordChatExporterJson
from finetune.message import ReadOptions
from finetune.reading.source import Source
from finetune.replacing import replaced
from finetune.selection import Selection
from finetune.wording import as_arguments, on_one_line
from tests.conftest import SAMPLE_CHAT, botconvo_here, run_botconvo

SAMPLE = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
OPTIONS = ReadOptions()
ODD_NAMES = {"Marlow": "Mar low's $HOME", "Priya": "-pri", "Dex": "Dex \U0001f600", "Juno": "a\nb"}


def write(path: Path, messages: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**SAMPLE, "messages": messages}), encoding="utf-8")
    return path


def called_oddly(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, written by people with names that are hard to print."""
    renamed = []
    for message in messages:
        author = dict(message["author"])
        name = author.get("nickname") or author["name"]
        author["nickname"] = author["name"] = ODD_NAMES.get(name, name)
        renamed.append({**message, "author": author})
    return renamed


@pytest.fixture
def odd_corpus() -> Path:
    path = write(Path("odd.json"), called_oddly(SAMPLE["messages"]))
    done = botconvo_here("import", path, "--corpus", "odd.sqlite")
    assert done.returncode == 0, done.stderr
    return Path("odd.sqlite")


# --- files that cannot be written ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("stats", "--plot", "nodir/x.png"), "nodir/x.png"),
        (("export", "--out", "nodir/x.json"), "nodir/x.json"),
        (("export", "--out", "/dev/full"), "/dev/full"),
        (("export", "--out", "a_file/x"), "a_file/x"),
        (("export", "--out", "."), "."),
        (("dataset", "--out", "/dev/null"), "/dev/null/priya"),
        (("dataset", "--out", "/proc/x"), "/proc/x"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_in_one_sentence(
    corpus_file: Path, arguments: tuple[str, ...], path: str
) -> None:
    Path("a_file").touch()
    done = botconvo_here(*arguments, "--corpus", corpus_file)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"botconvo: {path}: ")
    assert "; " in line and line.endswith(".")
    assert sorted(p.name for p in Path().iterdir()) == ["a_file"]


def test_standard_output_on_a_full_disk_is_one_sentence_too(corpus_file: Path) -> None:
    for command in ("export", "friends"):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "orchestrator", command, "--corpus", corpus_file],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 2
        # A print that is not buffered does not say where it went.
        sentence = "the disk is full; make room, or name a place on another one."
        said = done.stderr.casefold().replace("standard output: ", "")
        assert said == f"botconvo: {sentence}\n"


# --- export keeps the old file until the new one is whole ------------------------------------


@pytest.mark.parametrize("wrong", [("--chat", "TYPO"), ("--since", "2040-01-01")])
def test_an_export_that_is_refused_leaves_the_old_file_alone(
    corpus_file: Path, wrong: tuple[str, ...]
) -> None:
    Path("keep.json").write_text("old", encoding="utf-8")
    done = botconvo_here("export", *wrong, "--out", "keep.json", "--corpus", corpus_file)
    assert done.returncode == 2
    assert Path("keep.json").read_text(encoding="utf-8") == "old"
    assert [p.name for p in Path().iterdir()] == ["keep.json"]
    assert botconvo_here("export", *wrong, "--format", "csv", "--corpus", corpus_file).stdout == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_export_that_breaks_off_leaves_the_old_file_and_nothing_else(
    error: BaseException,
) -> None:
    path = Path("keep.json")
    path.write_text("old", encoding="utf-8")
    with pytest.raises(type(error)) as raised, replaced(path) as new:
        new.write_text("half", encoding="utf-8")
        raise error
    assert getattr(raised.value, "filename", "keep.json") == "keep.json"
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in Path().iterdir()] == ["keep.json"]


def test_a_new_export_takes_the_place_and_the_rights_of_the_old_one(corpus_file: Path) -> None:
    Path("private.json").write_text("old", encoding="utf-8")
    Path("private.json").chmod(0o600)
    Path("link.json").symlink_to("private.json")
    done = run_botconvo("export", "--out", "link.json", "--corpus", corpus_file)
    assert done.stdout == "link.json: 3541 messages\n"
    assert Path("link.json").is_symlink()
    assert len(json.loads(Path("private.json").read_text(encoding="utf-8"))) == 3541
    assert Path("private.json").stat().st_mode & 0o777 == 0o600
    assert len(list(Path().iterdir())) == 2


def test_what_is_no_plain_file_is_written_to_and_not_replaced(corpus_file: Path) -> None:
    botconvo_here("export", "--out", "/dev/null", "--corpus", corpus_file)
    assert Path("/dev/null").is_char_device()


# --- import: files that cannot be read -------------------------------------------------------


def test_a_damaged_zip_in_a_folder_is_told_and_the_rest_goes_in() -> None:
    write(Path("chats/a.json"), SAMPLE["messages"][:9])
    with zipfile.ZipFile("chats/b.zip", "w") as file:
        file.write(SAMPLE_CHAT, "b.json")
    data = Path("chats/b.zip").read_bytes()
    Path("chats/b.zip").write_bytes(data[: len(data) // 2])
    done = botconvo_here("import", "chats")
    assert done.returncode == 1
    assert done.stderr == "botconvo: chats/b.zip is a damaged zip; fetch it once more.\n"
    assert "9 read = 9 new" in done.stdout
    Path("chats/a.json").unlink()
    done = botconvo_here("import", "chats", "--corpus", "other.sqlite")
    assert done.returncode == 2
    assert done.stderr == "botconvo: chats/b.zip is a damaged zip; fetch it once more.\n"


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Paths that cannot be listed or opened, as chmod cannot stop the superuser."""
    paths: set[str] = set()
    scandir, look = os.scandir, Path.open

    def refuse(path: Any) -> None:
        if str(path) in paths:
            raise PermissionError(13, "Permission denied", str(path))

    def listed(path: Any = ".") -> Any:
        refuse(path)
        return scandir(path)

    def opened(path: Path, *arguments: Any, **options: Any) -> Any:
        refuse(path)
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", listed)
    monkeypatch.setattr(Path, "open", opened)
    yield paths


def test_a_folder_that_cannot_be_listed_is_named_and_not_called_empty(locked: set[str]) -> None:
    write(Path("chats/a.json"), SAMPLE["messages"][:9])
    write(Path("chats/closed/b.json"), SAMPLE["messages"][:9])
    locked.add("chats/closed")
    collection = collect([Path("chats")], OPTIONS)
    assert [str(found.source) for found in collection.found] == ["chats/a.json"]
    [problem] = collection.problems
    assert problem.reason == "chats/closed cannot be read: Permission denied."
    locked.add("chats")
    [problem] = collect([Path("chats")], OPTIONS).problems
    assert problem.reason == "chats cannot be read: Permission denied."


@pytest.mark.parametrize("platform", [None, "lines"])
def test_a_file_that_cannot_be_read_does_not_hide_those_after_it(
    locked: set[str], platform: str | None
) -> None:
    write(Path("chats/a.json"), SAMPLE["messages"][:9])
    write(Path("chats/b.json"), SAMPLE["messages"][:9])
    locked.add("chats/a.json")
    collection = collect([Path("chats")], ReadOptions(platform=platform))
    assert [p.reason for p in collection.problems] == [
        "chats/a.json cannot be read: Permission denied."
    ]
    assert len(collection.found) + collection.other_files == 1


def test_a_path_through_a_file_is_no_such_file() -> None:
    write(Path("a.json"), SAMPLE["messages"][:9])
    done = botconvo_here("import", "a.json/b", "a.json")
    assert (done.returncode, done.stderr) == (1, "botconvo: a.json/b: no such file.\n")


def test_many_problems_of_one_kind_are_summed_up() -> None:
    bad = [{"id": str(number)} for number in range(20)]
    write(Path("a.json"), [*SAMPLE["messages"][:9], *bad])
    done = botconvo_here("import", "a.json")
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("botconvo: a.json, message 10: ")
    assert lines[3] == "botconvo: ... and 17 more like this in a.json"
    again = json.loads(botconvo_here("import", "a.json", "--json").stdout)
    assert len(again["problems"]) == 20


def test_a_thousand_files_are_reported_briefly() -> None:
    for number in range(1000):
        messages = SAMPLE["messages"][number : number + 1]
        write(Path("chats") / f"{number}.json", messages if number % 2 else [{"id": "1"}] * 9)
    done = run_botconvo("import", "chats")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) < 40
    assert len(done.stderr.splitlines()) == 21
    assert done.stderr.endswith("more; --json lists all.\n")
    assert "All together: 5000 read = 500 new + 0 already there + 4500 skipped" in done.stdout


def test_ctrl_c_leaves_what_went_in_before_and_nothing_of_the_file_being_read() -> None:
    first = write(Path("first.json"), SAMPLE["messages"][:50])
    many = [{**SAMPLE["messages"][0], "id": str(10**17 + number)} for number in range(60_000)]
    second = write(Path("second.json"), many)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "import", first, second, "--corpus", "c.sqlite"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    give_up = time.monotonic() + 60
    while count_messages(Path("c.sqlite")) == 0 and time.monotonic() < give_up:
        pass
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=60)
    assert (process.returncode, shown) == (130, "")
    assert said == (
        "botconvo: stopped; 1 files are imported, and nothing of the file that was being read. The "
        "same command goes on from there.\n"
    )
    assert count_messages(Path("c.sqlite")) == 50


def count_messages(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT COUNT(*) FROM messages").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_ctrl_c_in_the_first_file_leaves_no_corpus_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = DiscordChatExporterJson.read

    def interrupted(
        self: DiscordChatExporterJson, source: Source, options: ReadOptions
    ) -> Iterator[Any]:
        yield next(iter(whole(self, source, options)))
        raise KeyboardInterrupt

    monkeypatch.setattr(DiscordChatExporterJson, "read", interrupted)
    assert cli.main(["import", str(SAMPLE_CHAT), "--corpus", "c.sqlite"]) == 130
    assert capsys.readouterr().err.startswith("botconvo: stopped; nothing of the file")
    assert not Path("c.sqlite").exists()


# --- selections that leave nothing -----------------------------------------------------------


@pytest.mark.parametrize("command", ["stats", "export", "dataset"])
@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (
            ("--since", "2030-01-01", "--until", "2030-01-02"),
            "No message lies between 2030-01-01 and 2030-01-02; the corpus runs from 2024-01-07 to "
            "2024-09-15.",
        ),
        (
            ("--until", "2003-01-01", "--chat", "general"),
            "No message lies before or on 2003-01-01; the chosen chats run from 2024-01-07 to "
            "2024-09-15.",
        ),
        (
            ("--since", "2024-05-02", "--until", "2024-05-01"),
            "--since 2024-05-02 is later than --until 2024-05-01; exchange them.",
        ),
        (
            ("--not-chat", "general"),
            "--chat and --not-chat leave no chat with messages; see: botconvo stats",
        ),
    ],
)
def test_a_selection_that_leaves_nothing_is_told_as_such(
    corpus_file: Path, command: str, selection: tuple[str, ...], sentence: str
) -> None:
    done = botconvo_here(command, *selection, "--corpus", corpus_file)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"botconvo: {sentence}\n")


def test_a_date_that_is_none_is_answered_with_how_to_write_one(corpus_file: Path) -> None:
    done = botconvo_here("stats", "--since", "yesterday", "--corpus", corpus_file)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "argument --since: 'yesterday' is no date; write it as 2024-03-31\n"
    )


def test_why_nothing_is_selected_fits_what_was_asked() -> None:
    days = {date(2024, 1, 1), date(2024, 2, 1)}
    runs = "the corpus runs from 2024-01-01 to 2024-02-01."
    since, until = date(2024, 3, 1), date(2024, 3, 2)
    assert (
        Selection(since=since).why_nothing(days) == f"No message lies on or after {since}; {runs}"
    )
    assert Selection(since=since, until=since).why_nothing(days) == (
        f"No message lies on {since}; {runs}"
    )
    assert Selection(since=since, until=until).why_nothing(days) == (
        f"No message lies between {since} and {until}; {runs}"
    )
    assert "import a chat first" in Selection(since=since).why_nothing(set())


# --- names that are hard to print ------------------------------------------------------------


def test_names_are_words_that_a_shell_gives_back() -> None:
    for names in (["Ana"], ["Ana Bo"], ["it's", '$HOME "x"'], ["`ls`", "a\nb"]):
        assert shlex.split(as_arguments(*names)) == names
    assert shlex.split(as_arguments("Ana", "-b")) == ["--", "Ana", "-b"]


def test_the_next_step_can_be_pasted_whatever_the_name(odd_corpus: Path) -> None:
    for name in ODD_NAMES.values():
        arguments = shlex.split(as_arguments(name))
        done = botconvo_here("dataset", "--corpus", odd_corpus, "--out", "sets", *arguments)
        assert done.returncode == 0, done.stderr
        step = done.stdout.partition("\nNext: botconvo ")[2]
        assert shlex.split(step) == ["train", *arguments]


def test_a_proposed_merge_can_be_pasted() -> None:
    messages = [dict(message) for message in SAMPLE["messages"][:40]]
    for number, message in enumerate(messages):
        message["author"] = {
            **message["author"], "id": str(number % 2), "name": "x", "nickname": "-o'no",
        }  # fmt: skip
    botconvo_here("import", write(Path("a.json"), messages))
    shown = botconvo_here("friends").stdout
    [line] = [line for line in shown.splitlines() if "may be one person" in line]
    arguments = shlex.split(line.partition("if so: botconvo ")[2])
    done = botconvo_here(*arguments)
    assert done.returncode == 0, done.stderr
    back = shlex.split(done.stdout.partition("take it back: botconvo ")[2])
    assert botconvo_here(*back).returncode == 0


def test_a_name_with_a_line_end_stays_in_its_row(odd_corpus: Path) -> None:
    rows = botconvo_here("friends", "--corpus", odd_corpus).stdout.splitlines()
    [row] = [row for row in rows if row.startswith("a b ")]
    assert row.endswith("discord    person")
    shown = botconvo_here("stats", "--corpus", odd_corpus).stdout
    assert "      - a b [" in shown
    assert "  a b: pooled first; " in shown
    assert on_one_line("a\r\n\x1b[2Jb\u2028c") == "a [2Jb c"


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_pictures_of_people_with_emoji_are_drawn_in_silence(odd_corpus: Path, ending: str) -> None:
    done = run_botconvo("stats", "--plot", f"x.{ending}", "--corpus", odd_corpus)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(f"x.{ending}").stat().st_size > 10_000


# --- what is printed and what is not ---------------------------------------------------------


def test_examples_of_which_nothing_can_be_seen_are_not_printed(corpus_file: Path) -> None:
    shown = botconvo_here("stats", "--dropped", "--corpus", corpus_file).stdout
    assert "attachments: " in shown
    assert "''" not in shown


def test_friends_as_json_does_not_clean_the_corpus(
    corpus_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*_: object) -> CleanCorpus:
        raise AssertionError("cleaning takes minutes on a large corpus")

    monkeypatch.setattr(CleanCorpus, "read", read)
    assert cli.main(["friends", "--json", "--corpus", str(corpus_file)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_an_empty_corpus_asks_for_a_chat() -> None:
    with Corpus.open(Path("c.sqlite"), create=True) as corpus:
        corpus.database.execute("INSERT INTO chats VALUES (1, 'discord', '1', 'sofa')")
        corpus.database.commit()
        done = botconvo_here("stats", "--corpus", "c.sqlite")
    assert done.returncode == 2
    assert (
        "The corpus holds no messages; import a chat first: botconvo import EXPORT" in done.stderr
    )
