"""`botconvo run` as people use it: real servers, real signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest

from model_server.checkpoint_format import Manifest
from tests.conftest import AT_ONCE_SECONDS, HANGS_AFTER_SECONDS, run_botconvo


@pytest.fixture
def home(tmp_path: Path, checkpoints: Path) -> Path:
    """A folder with two trained friends and an empty settings file; it is the cwd."""
    shutil.copytree(checkpoints, tmp_path / "checkpoints")
    (tmp_path / "settings.toml").write_text(
        "[servers]\nfirst_port = 0\n[generation]\ntemperature = 1.0\n", encoding="utf-8"
    )
    return tmp_path


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "--fast", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def read_lines(stream: IO[str] | None, count: int) -> list[str]:
    assert stream is not None
    return [stream.readline().rstrip("\n") for _ in range(count)]


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_ten_lines_come_out_of_a_pipe_the_same_on_every_run(home: Path) -> None:
    runs = [
        run_botconvo("run", "--platform", "terminal", "--lines", 10, "--seed", 7, "--fast")
        for _ in range(2)
    ]
    for done in runs:
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 10
        assert all(re.match(r"(Marlow|Priya): \S", line) for line in done.stdout.splitlines())
    assert runs[0].stdout == runs[1].stdout
    other = run_botconvo("run", "--lines", 10, "--seed", 8, "--fast")
    assert other.stdout != runs[0].stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_it_ends_at_once_and_leaves_no_server(home: Path, how: signal.Signals) -> None:
    with running() as process:
        read_lines(process.stdout, 3)
        servers = children(process)
        assert len(servers) == 2
        began = time.monotonic()
        process.send_signal(how)
        process.wait(timeout=HANGS_AFTER_SECONDS)
        _, alive = psutil.wait_procs(servers, timeout=HANGS_AFTER_SECONDS)
        assert alive == []
        assert time.monotonic() - began < AT_ONCE_SECONDS
        assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 0)


def test_what_is_typed_is_answered_by_the_friend_it_names(home: Path) -> None:
    with running("--new") as process:
        assert process.stdin is not None
        read_lines(process.stdout, 2)
        process.stdin.write("priya, do you like soup?\n/why\n")
        process.stdin.close()  # the end of the input does not end the show
        read_lines(process.stdout, 15)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        notices = process.stderr.read()
    import sqlite3

    database = sqlite3.connect("data/transcript.sqlite")
    [[line_id]] = database.execute("SELECT id FROM lines WHERE kind = 'person'").fetchall()
    answers = database.execute(
        "SELECT speaker, why FROM lines WHERE reply_to = ?", (line_id,)
    ).fetchall()
    database.close()
    assert answers[0][0] == "Priya"
    assert json.loads(answers[0][1])["turn"]["chosen_because"] == "You addressed Priya"
    assert re.search(
        r"^curl 'http://127\.0\.0\.1:\d+/\?prompt=pizza' asks \w+ alone\.$", notices, re.M
    )


def test_a_killed_server_is_started_again_and_the_show_goes_on(home: Path) -> None:
    with running("--verbose") as process:
        read_lines(process.stdout, 3)
        victim = next(p for p in children(process) if "marlow" in " ".join(p.cmdline()))
        victim.kill()
        names: set[str] = set()
        while "Marlow" not in names or victim.is_running():
            [line] = read_lines(process.stdout, 1)
            names.add(line.partition(":")[0]) if not victim.is_running() else None
        assert len(children(process)) == 2


def test_a_reader_who_leaves_ends_the_show_quietly(home: Path) -> None:
    with running() as process:
        read_lines(process.stdout, 2)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=HANGS_AFTER_SECONDS) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_port_that_another_program_has_is_said_in_one_sentence(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Path("settings.toml").write_text(
            f"[[friends]]\nname = 'Marlow'\ncheckpoint = 'checkpoints/marlow'\nport = {port}\n",
            encoding="utf-8",
        )
        done = run_botconvo("run", "--lines", 1)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert line.startswith(
            f"botconvo: Marlow's model server did not start: Port {port} on 127.0.0.1 cannot"
        )
        Path("settings.toml").write_text(f"[servers]\nfirst_port = {port}\n", encoding="utf-8")
        done = run_botconvo("run", "--lines", 1, "--fast")
        assert done.returncode == 0, done.stderr


def test_a_machine_that_is_too_slow_or_too_small_is_no_mistake_of_the_users(home: Path) -> None:
    big = json.loads((home / "checkpoints/marlow/hparams.json").read_text(encoding="utf-8"))
    big |= {"n_embd": 2**20, "n_layer": 2**20}
    for name in ("marlow", "priya"):
        path = home / "checkpoints" / name / "hparams.json"
        path.write_text(json.dumps(big), encoding="utf-8")
    done = run_botconvo("run", "--lines", 1)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("botconvo: No friend fits into ")


def test_a_library_that_the_system_lacks_is_named_with_its_package(home: Path) -> None:
    package = home / "libraries" / "xllamacpp"
    package.mkdir(parents=True)
    said = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (package / "__init__.py").write_text(f"raise ImportError({said!r})", encoding="utf-8")
    places = [str(package.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    sentence = "this system lacks libgomp.so.1; install it with: apt install libgomp1"
    for command, code in (
        (("serve", "checkpoints/marlow", "--port", 0), 2),
        (("run", "--lines", 1), 2),
        (("doctor",), 1),
    ):
        done = run_botconvo(*command, env=env)
        assert done.returncode == code
        assert sentence in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_friend_who_still_learns_is_not_in_the_show(home: Path) -> None:
    folder = home / "checkpoints" / "priya"
    Manifest.read(folder).model_copy(update={"in_training": True}).write(folder)
    done = run_botconvo("run", "--lines", 2, "--seed", 1, "--fast")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["Marlow", "Marlow"]
    assert "Priya is still learning and so not here; botconvo chat Priya" in done.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pause = 3", "there is no key pause"),
        ("[[friends]]\nname='X'\ncheckpoint='nowhere'", "there is no folder"),
        ("[phrases]\npipeline='xx_none'", "spaCy has no pipeline 'xx_none'"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence_and_two(
    home: Path, text: str, sentence: str
) -> None:
    Path("settings.toml").write_text(text, encoding="utf-8")
    done = run_botconvo("run", "--lines", 1, "--fast")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr


def test_a_named_settings_file_that_is_missing_is_an_error(home: Path) -> None:
    done = run_botconvo("run", "--settings", "nowhere.toml")
    assert done.returncode == 2
    assert done.stderr == "botconvo: nowhere.toml: there is no such settings file.\n"


def test_names_are_coloured_on_a_terminal_only(home: Path) -> None:
    import pty

    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "--fast", "--lines", "2", "--seed", "1"],
        stdin=child, stdout=child, stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if k != "NO_COLOR"},
    ) as process:  # fmt: skip
        process.wait(timeout=HANGS_AFTER_SECONDS)
        os.close(child)
        shown = b""
        try:
            while data := os.read(parent, 65536):
                shown += data
        except OSError:  # Linux says so when the other side is closed
            pass
        os.close(parent)
    assert len(re.findall(rb"\x1b\[1;3\dm(?:Marlow|Priya)\x1b\[0m: ", shown)) == 2
