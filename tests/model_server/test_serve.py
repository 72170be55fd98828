"""`botconvo serve` as a process of its own."""

from __future__ import annotations

import json
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

import psutil
import pytest

from tests.conftest import in_company, run_botconvo


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


def fetch(url: str, headers: dict[str, str] | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as response:
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


def test_it_listens_on_this_machine_only_and_on_one_port(checkpoints: Path) -> None:
    with serving(checkpoints / "marlow", "--port", 0) as (process, ready):
        listening = [
            connection.laddr
            for connection in psutil.Process(process.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert [f"http://{a.ip}:{a.port}" for a in listening] == [ready["url"]]
        assert listening[0].ip == "127.0.0.1"


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT"])
def test_it_ends_within_two_seconds(checkpoints: Path, how: str) -> None:
    with serving(checkpoints / "marlow", "--port", 0, "--end-with-stdin") as (process, _):
        began = time.monotonic()
        if how == "stdin":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[how])
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began < in_company(2)


def test_a_port_in_use_is_said_in_one_sentence(checkpoints: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_botconvo("serve", checkpoints / "marlow", "--port", port)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"botconvo: Port {port} on 127.0.0.1 cannot be used")
    assert done.stdout == ""


def test_a_wrong_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = run_botconvo("serve", tmp_path / "nowhere")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "there is no such checkpoint folder" in done.stderr
    (tmp_path / "empty").mkdir()
    done = run_botconvo("serve", tmp_path / "empty")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is no checkpoint folder, as it has no hparams.json" in done.stderr
