"""`botconvo serve` as a process of its own."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from model_server.checkpoint_format import WORDS_FILE
from tests.conftest import AT_ONCE_SECONDS, HANGS_AFTER_SECONDS, botconvo_here, run_botconvo
from tests.model_server.running import running


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, "-m", "model_server", "serve", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield process, json.loads(line)["ready"]
        finally:
            process.kill()


def fetch(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> str:
    request = urllib.request.Request(url, data, headers or {})
    with urllib.request.urlopen(request) as response:
        text: str = response.read().decode()
    return text


@pytest.mark.parametrize("engine", ["llama", "tensorflow", "echo"])
def test_every_engine_answers_curl(checkpoints: Path, engine: str) -> None:
    with serving(checkpoints / "marlow", "--port", 0, "--engine", engine) as (process, ready):
        assert ready["pid"] == process.pid
        assert ready["model"] == "Marlow"
        assert fetch(ready["url"] + "/?prompt=pizza&temperature=1").strip()
        assert fetch(ready["url"] + "/", {"prompt": "pizza"}).strip()
        assert json.loads(fetch(ready["url"] + "/health"))["status"] == "ok"


def test_lines_with_made_up_words_come_last(checkpoints: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(checkpoints / "marlow", old, ignore=shutil.ignore_patterns(WORDS_FILE))
    found = {}
    for folder in (checkpoints / "marlow", old):
        with serving(folder, "--port", 0, "--engine", "llama") as (_, ready):
            body = {"messages": [{"content": "pizza?"}], "n": 16, "temperature": 1, "seed": 3}
            answer = fetch(ready["url"] + "/v1/chat/completions", data=json.dumps(body).encode())
            found[folder.name] = [
                (choice["message"]["content"], choice["botconvo"]["made_up_words"])
                for choice in json.loads(answer)["choices"]
                if choice["botconvo"]["verdict"] == "fit"
            ]
    counts = [count for _, count in found["marlow"]]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert {count for _, count in found["old"]} == {0}
    texts = {name: [text for text, _ in lines] for name, lines in found.items()}
    assert sorted(texts["old"]) == sorted(texts["marlow"])
    assert texts["old"] != texts["marlow"]


def test_it_listens_on_this_machine_only_and_on_one_port(checkpoints: Path) -> None:
    with serving(checkpoints / "marlow", "--port", 0) as (process, ready):
        assert [f"http://{place}" for place in listening(process.pid)] == [ready["url"]]
        assert ready["url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT"])
def test_it_ends_at_once(checkpoints: Path, how: str) -> None:
    with serving(checkpoints / "marlow", "--port", 0, "--end-with-stdin") as (process, _):
        began = time.monotonic()
        if how == "stdin":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[how])
        assert process.wait(timeout=HANGS_AFTER_SECONDS) == 0
        assert time.monotonic() - began < AT_ONCE_SECONDS


HANGING = """
import sys, threading
from model_server.cli import main
from model_server.engines import echo

def for_ever(*arguments, **options):
    print("hangs", flush=True)
    threading.Event().wait()

if sys.argv.pop(1) == "load":
    echo.load = for_ever
else:
    echo.EchoEngine.generate = for_ever
sys.exit(main(sys.argv[1:]))
"""
"""The real command with an engine that never returns, and looks at nothing meanwhile."""


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_port_in_use_is_said_in_one_sentence_before_anything_is_loaded(
    checkpoints: Path,
) -> None:
    arguments = ["serve", str(checkpoints / "marlow"), "--engine", "echo", "--port"]
    with taken_port() as port:
        done = subprocess.run(
            [sys.executable, "-c", HANGING, "load", *arguments, str(port)],
            capture_output=True, text=True, check=False, timeout=HANGS_AFTER_SECONDS,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"botconvo: Port {port} on 127.0.0.1 cannot be used")


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("what", ["load", "generation"])
def test_an_engine_that_never_returns_is_left_behind(
    checkpoints: Path, what: str, how: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, what, "serve", str(checkpoints / "marlow"), "--port", "0",
         "--engine", "echo", "--end-with-stdin", "--grace", "0.1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdin is not None and process.stdout is not None
            line = process.stdout.readline()
            if what == "generation":
                url = json.loads(line)["ready"]["url"]
                asked = http.client.HTTPConnection(urlsplit(url).netloc)
                asked.request("GET", "/?prompt=soup")
                line = process.stdout.readline()
            assert line == "hangs\n"
            if how == "stdin":
                process.stdin.close()
            else:
                process.send_signal(signal.Signals[how])
            assert process.wait(timeout=HANGS_AFTER_SECONDS) == 0
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
            if what == "generation":
                asked.close()
        finally:
            process.kill()


def test_a_server_that_loads_answers_that_it_does(checkpoints: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, "load", "serve", str(checkpoints / "marlow"), "--port", "0",
         "--engine", "echo"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "hangs\n"
            [place] = listening(process.pid)
            asked = http.client.HTTPConnection(place)
            for path, told in (("/health", '"status":"loading"'), ("/?prompt=x", "still loading")):
                asked.request("GET", path)
                answer = asked.getresponse()
                assert (answer.status, told in answer.read().decode()) == (503, True)
            asked.close()
        finally:
            process.kill()


def listening(pid: int) -> list[str]:
    """Where a process listens."""
    connections = psutil.Process(pid).net_connections()
    return [f"{c.laddr.ip}:{c.laddr.port}" for c in connections if c.status == psutil.CONN_LISTEN]


def test_localhost_is_one_port_at_all_its_addresses(checkpoints: Path) -> None:
    arguments = (checkpoints / "marlow", "--engine", "echo", "--port", 0, "--host", "localhost")
    with serving(*arguments) as (process, ready):
        places = listening(process.pid)
        assert {place.rpartition(":")[2] for place in places} == {ready["url"].rpartition(":")[2]}
        assert json.loads(fetch(ready["url"] + "/health"))["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--port 99999", "--port should be less than or equal to 65535, and is 99999."),
        ("--port -1", "--port should be greater than or equal to 0, and is -1."),
        ("--threads 0", "--threads should be greater than or equal to 1, and is 0."),
        ("--slots 0", "--slots should be greater than or equal to 1, and is 0."),
        ("--candidates 17", "--candidates should be less than or equal to 16, and is 17."),
        ("--temperature nan", "--temperature should be a finite number, and is nan."),
        ("--top-k -1", "--top-k should be greater than or equal to 0, and is -1."),
        ("--top-p 0", "--top-p should be greater than 0, and is 0.0."),
        ("--max-tokens 0", "--max-tokens should be greater than or equal to 1, and is 0."),
        ("--repetition-penalty 0", "--repetition-penalty should be greater than or equal to 1"),
        ("--no-repeat-ngram 1", "--no-repeat-ngram should be 0, which is off, or 2 to 16, and is"),
        ("--grace nan", "--grace should be "),
        ("--banned-word=", "--banned-word: an empty word would ban every line."),
        ("--host=", "--host should be an address of this machine, like 127.0.0.1."),
        ("--host a..b", "--host: there is no address of the name 'a..b'"),
        ("--host 192.0.2.1", "--host: 192.0.2.1 is no address of this machine"),
        ("--key-file .", ". cannot be read"),
    ],
)
def test_what_an_option_cannot_be_is_said_in_one_sentence(
    checkpoints: Path, arguments: str, sentence: str
) -> None:
    done = botconvo_here("serve", checkpoints / "marlow", "--engine", "echo", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"botconvo: {sentence}")


def test_a_killed_server_leaves_nothing_behind(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    with running(tmp_path / "log", checkpoints / "marlow", "--engine", "llama") as server:
        assert server.ask("/?prompt=soup&temperature=1")[0] == 200
        server.process.kill()
        server.process.wait()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_wrong_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = run_botconvo("serve", tmp_path / "nowhere")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "there is no such checkpoint folder" in done.stderr
    (tmp_path / "empty").mkdir()
    done = run_botconvo("serve", tmp_path / "empty")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is no checkpoint folder, as it has no hparams.json" in done.stderr
