"""A conversation again, from its seed: with people, commands, restarts and dead servers in it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from orchestrator.cast import DEMO
from orchestrator.phrases import load_picker
from orchestrator.platforms import Deletion, Edit
from orchestrator.replay import Replay, settings_of_run
from orchestrator.settings import Settings
from orchestrator.talk.turn_taking import Member
from orchestrator.transcript import Transcript
from orchestrator.transcript.when import COUNTED_FROM
from tests.conftest import run_botconvo
from tests.orchestrator.test_faults import playing

SETTINGS = """
[servers]
engine = "echo"
first_port = 0
[[friends]]
name = "Dex"
checkpoint = "FRIENDS/dex"
[[friends]]
name = "Priya"
checkpoint = "FRIENDS/priya"
[limits]
repeat_within_lines = 1  # the echo engine has little to say, and long silences would follow
phrase_rounds = 1000
[conversation]
human_prompt_chance = 0.7
""".replace("FRIENDS", str(DEMO / "friends"))


class Typing:
    """`botconvo run` and somebody who types once enough has been said."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "run", "--fast"], cwd=home,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def after(self, lines: int, *typed: str) -> Typing:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for _ in range(lines):
            assert self._process.stdout.readline()
        self._process.stdin.write("".join(f"{text}\n" for text in typed))
        self._process.stdin.flush()
        return self

    def end(self) -> None:
        with self._process as process:
            process.terminate()
            process.communicate(timeout=10)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two runs have made one conversation with all there can be in it."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    show = Typing(folder)
    show.after(6, "hello all", "dex, do you like soup?", "/topic moths for 4 lines")
    show.after(6, "/mute dex", "nice weather", "/again", "/ask priya tubas")
    show.after(8, "/oops", "/oops", "/nonsense", "/unmute dex", "priya and dex, well?")
    show.after(8).end()
    Typing(folder).after(4, "and you, priya?", "/again").after(6).end()
    return folder


@pytest.fixture
def played(home: Path, tmp_path: Path) -> Path:
    """A copy of that folder; it is the cwd."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_conversation_with_people_commands_and_a_restart_is_repeated(played: Path) -> None:
    done = run_botconvo("replay")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(
        r"\d\d+ turns and the words of \d\d+ lines compared: all as before\.\n", done.stdout
    )
    (played / "settings.toml").write_text(SETTINGS + "chaos = 0.9\n", encoding="utf-8")
    told = json.loads(run_botconvo("replay", "--choices", "--json").stdout)
    # It is repeated as it was set then, and what is set otherwise today is told.
    assert told["differences"] == []
    assert told["remarks"] == ["conversation.chaos was 0.3 and is 0.9 today"]


async def test_lines_that_people_changed_and_took_back_are_so_in_a_replay_too(
    tmp_path: Path,
) -> None:
    async with playing(tmp_path) as play:
        for number in range(4):
            play.ask(number, f"ana, do you like walrus {number}?")
            await play.until_said_by("Ana")
            play.stage.do(Edit(f"p{number}", f"ana, do you like tubas in colour {number}?"))
            await play.until_said_by("Bo")
        play.ask(4, "what about a goose?")
        await play.until_said_by("Bo")
        play.stage.do(Deletion("p4"))
        play.stage.do(Deletion(play.stage.shown[-1].message_id))  # a friend's
        await play.until_said_by("Ana", "Bo")
        play.swarm.control.pause()
        kept = [row.why["name"] for row in play.transcript.commands()]
        assert kept == ["edited"] * 4 + ["deleted"] * 2
        await play.is_repeated_by_a_replay()


async def test_what_is_taken_back_after_a_restart_was_there_before(tmp_path: Path) -> None:
    with Transcript.open(
        tmp_path / "t.sqlite", fresh=True, seed=1, now=COUNTED_FROM,
        settings=settings_of_run(Settings(), limited=True),
    ) as transcript:  # fmt: skip
        first = transcript.add("Sam", "person", "soup?", {"reason": "late"}, COUNTED_FROM)
        transcript.add("Sam", "person", "moths?", {"reason": "late"}, COUNTED_FROM)
    with Transcript.open(
        tmp_path / "t.sqlite", fresh=False, seed=2, now=COUNTED_FROM,
        settings=settings_of_run(Settings(), limited=True),
    ) as transcript:  # fmt: skip
        _, second = transcript.runs()
        replay = partial(
            Replay, transcript, second, {"Ada": Member("Ada")}, load_picker("", "xx"), None
        )
        transcript.unsay(first)
        transcript.add(
            "Sam", "command", "", {"name": "deleted", "done": True, "line": first}, COUNTED_FROM
        )
        again = replay()
        assert [line.text for line in again._talk._history] == ["soup?", "moths?"]
        await again.run()
        assert [line.text for line in again._talk._history] == ["moths?"]


def test_another_line_is_said_to_differ(played: Path) -> None:
    with sqlite3.connect("data/transcript.sqlite") as database:
        [(line_id,)] = database.execute("SELECT MAX(id) FROM lines WHERE kind = 'friend'")
        database.execute("UPDATE lines SET text = 'never said' WHERE id = ?", (line_id,))
    database.close()
    done = run_botconvo("replay", "--json")
    assert done.returncode == 1
    [difference] = json.loads(done.stdout)["differences"]
    assert difference.startswith(f"line {line_id}: ")
    assert " said 'never said' and says " in difference


def test_where_nothing_was_kept_there_is_nothing_to_repeat(tmp_path: Path) -> None:
    done = run_botconvo("replay")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("start a show with: botconvo run\n")
