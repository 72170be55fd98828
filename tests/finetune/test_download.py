"""The download of GPT-2 against a local server that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from finetune.download import FILES, download
from finetune.errors import BadBaseModel, FinetuneError

CONTENT = {name: (name * 5000).encode() for name in FILES} | {"hparams.json": b'{"n_ctx": 1024}'}


class Misbehaving(ThreadingHTTPServer):
    """Serves the files; `faults` are used up one by one, by whichever request comes next."""

    def __init__(self, *faults: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = list(faults)
        self.requests: list[tuple[str, str | None]] = []
        self.ended = threading.Event()

    @property
    def location(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/models"


class Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Range"]))
        data = CONTENT[self.path.rpartition("/")[2]]
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        start = 0
        if self.headers["Range"] and fault != "no ranges":
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if fault == "truncate":
            self.wfile.write(data[start : start + 7])
            return
        if fault == "stall":
            self.wfile.write(data[start : start + 7])
            self.wfile.flush()
            self.server.ended.wait()
            return
        self.wfile.write(data[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def serving() -> Iterator[list[Misbehaving]]:
    servers: list[Misbehaving] = []
    yield servers
    for server in servers:
        server.ended.set()
        server.shutdown()
        server.server_close()


def start(serving: list[Misbehaving], *faults: str) -> Misbehaving:
    server = Misbehaving(*faults)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    serving.append(server)
    return server


def fetch(models: Path, *servers: Misbehaving) -> Path:
    locations = [server.location for server in servers]
    return download("124M", models, lambda *_: None, locations, stall_seconds=0.5)


def is_whole(folder: Path) -> bool:
    return {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENT


def test_a_model_is_fetched_whole(serving: list[Misbehaving], tmp_path: Path) -> None:
    assert is_whole(fetch(tmp_path, start(serving)))


@pytest.mark.parametrize("fault", ["truncate", "stall", "503"])
def test_a_broken_answer_is_tried_again(
    serving: list[Misbehaving], tmp_path: Path, fault: str
) -> None:
    server = start(serving, fault)
    assert is_whole(fetch(tmp_path, server))
    ranges = [asked for path, asked in server.requests if path.endswith("/checkpoint")]
    assert ranges == ([None, None] if fault == "503" else [None, "bytes=7-"])


def test_a_server_without_ranges_starts_over(serving: list[Misbehaving], tmp_path: Path) -> None:
    assert is_whole(fetch(tmp_path, start(serving, "truncate", "no ranges")))


def test_the_next_location_is_asked_when_one_has_nothing(
    serving: list[Misbehaving], tmp_path: Path
) -> None:
    empty, full = start(serving, *["404"] * 7), start(serving)
    assert is_whole(fetch(tmp_path, empty, full))
    assert len(empty.requests) == 7


def test_nothing_half_fetched_gets_the_files_name(
    serving: list[Misbehaving], tmp_path: Path
) -> None:
    server = start(serving, "truncate", "503", "503")
    with pytest.raises(FinetuneError, match=r"124M cannot be downloaded \(checkpoint: .* 503"):
        fetch(tmp_path, server)
    assert [p.name for p in (tmp_path / "124M").iterdir()] == ["checkpoint.part"]
    assert is_whole(fetch(tmp_path, server))


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBaseModel, match="no GPT-2 called '9000M'"):
        download("9000M", tmp_path, lambda *_: None)
