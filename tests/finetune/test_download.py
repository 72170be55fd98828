"""The download of GPT-2 against local servers that misbehave in every way that servers do.

The model that they serve is the recorded one of test_hugging_face.py, under the name of one
of OpenAI's: 12,000 weights in both forms.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import finetune.bases.transfer
from finetune.bases.checkpoint_files import read_checked_weights
from finetune.bases.download import Places, download
from finetune.bases.hugging_face import convert_folder
from finetune.bases.openai_models import (
    DATA_FILE,
    DOWNLOADS,
    HUGGING_FACE_FILES,
    TENSORFLOW_FILES,
    OpenAiModel,
)
from finetune.bases.transfer import TRIES, NotHere, fetch
from finetune.errors import BadBaseModel, FinetuneError
from model_server.checkpoint_format import Sizes

RECORDED = Path(__file__).parent / "hugging_face"
TINY = OpenAiModel("tiny", Sizes(300, 32, 16, 2, 2), "somebody/tiny")
Files = Mapping[str, bytes]


@pytest.fixture(scope="session")
def tensorflow_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("published")
    convert_folder(RECORDED, folder)
    (folder / "model.ckpt.meta").write_bytes(b"a graph that nobody reads")
    return {name: (folder / name).read_bytes() for name in TENSORFLOW_FILES}


@pytest.fixture(autouse=True)
def _a_tiny_model_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOWNLOADS, "tiny", TINY)


class Misbehaving(ThreadingHTTPServer):
    """Serves files by the last part of their address. `faults` are used up one by one, by
    whichever request comes next; `always` is the fault of every request after them."""

    def __init__(self, files: Files, *faults: str, always: str = "", hashes: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.faults = list(faults)
        self.always = always
        self.hashes = hashes
        self.requests: list[tuple[str, str | None]] = []
        self.ended = threading.Event()

    @property
    def place(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/models"

    def ranges(self, file: str) -> list[str | None]:
        return [asked for path, asked in self.requests if path.endswith(f"/{file}")]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no fault of the test."""


class Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Range"]))
        fault = self.server.faults.pop(0) if self.server.faults else self.server.always
        data = self.server.files.get(self.path.rpartition("/")[2])
        if data is None or fault.isdigit():
            self.send_error(int(fault or "404"))
        elif fault == "web page":
            self._send(b"<!DOCTYPE html><title>Please log in</title>", 0, "text/html")
        elif fault == "disguised web page":
            self._send(b"\n<html>Please pay</html>", 0)
        elif fault == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(data, fault)

    def _answer(self, data: bytes, fault: str) -> None:
        begin = int((self.headers["Range"] or "bytes=0-")[6:-1])
        if fault == "no ranges":
            begin = 0
        if begin > len(data):
            self.send_error(416)
            return
        if fault == "wrong range":
            self._send(data, begin, said=begin + 1)
        elif fault == "corrupt":
            self._send(data, begin, body=bytes(len(data) - begin))
        elif fault in ("truncate", "stall", "reset"):
            self._send(data, begin, body=data[begin : begin + 7])
            self.wfile.flush()
            if fault == "stall":
                self.server.ended.wait()
            if fault == "reset":  # closing with nothing to linger for sends RST
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
        else:
            self._send(data, begin)

    def _send(
        self, data: bytes, begin: int, kind: str = "application/octet-stream",
        body: bytes | None = None, said: int | None = None,
    ) -> None:  # fmt: skip
        self.send_response(206 if begin else 200)
        if begin:
            first = begin if said is None else said
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        if self.server.hashes:
            digest = base64.b64encode(hashlib.md5(data).digest()).decode()
            self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={digest}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:] if body is None else body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Servers:
    def __init__(self, files: Files) -> None:
        self._files = files
        self.started: list[Misbehaving] = []

    def start(
        self, *faults: str, always: str = "", files: Files | None = None, hashes: bool = False
    ) -> Misbehaving:
        server = Misbehaving(files or self._files, *faults, always=always, hashes=hashes)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.started.append(server)
        return server


@pytest.fixture
def servers(tensorflow_files: Files) -> Iterator[Servers]:
    result = Servers(tensorflow_files)
    yield result
    for server in result.started:
        server.ended.set()
        server.shutdown()
        server.server_close()


class Pauses(list[float]):
    """Remembers the pauses, and makes none."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def get(models: Path, *from_servers: Misbehaving, hugging_face: Misbehaving | None = None) -> Path:
    places = Places(
        [server.place for server in from_servers], hugging_face.place if hugging_face else None
    )
    return download("tiny", models, lambda *_: None, places, stall_seconds=0.4, pause=Pauses())


def is_whole(folder: Path, files: Files) -> bool:
    return {p.name: p.read_bytes() for p in folder.iterdir()} == files


def fetched(server: Misbehaving, path: Path, size: int | None = None) -> bytes:
    fetch(
        f"{server.place}/{path.name}", path, lambda *_: None,
        size=size, stall_seconds=0.4, pause=Pauses(),
    )  # fmt: skip
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


# --- one file ------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("fault", "second"),
    [
        ("truncate", "bytes=7-"), ("stall", "bytes=7-"), ("reset", "bytes=7-"),
        ("503", None), ("429", None), ("500", None),
    ],
)  # fmt: skip
def test_a_broken_answer_is_tried_again_from_where_it_broke_off(
    servers: Servers, tmp_path: Path, fault: str, second: str | None
) -> None:
    server = servers.start(fault, files={"file": CONTENT})
    assert fetched(server, tmp_path / "file") == CONTENT
    assert server.ranges("file") == [None, second]


def test_a_line_that_breaks_often_and_brings_something_each_time_gets_there(
    servers: Servers, tmp_path: Path
) -> None:
    server = servers.start(*["truncate", "reset"] * 6, files={"file": CONTENT}, hashes=True)
    assert fetched(server, tmp_path / "file") == CONTENT
    assert server.ranges("file")[-1] == "bytes=84-"


def test_pauses_grow_and_end(servers: Servers, tmp_path: Path) -> None:
    server, pauses = servers.start(always="503", files={"file": CONTENT}), Pauses()
    with pytest.raises(NotHere, match="it answers 503"):
        fetch(
            f"{server.place}/file", tmp_path / "file", lambda *_: None,
            stall_seconds=0.4, pause=pauses,
        )  # fmt: skip
    assert (pauses, len(server.requests)) == ([1, 2, 4], TRIES)


@pytest.mark.parametrize("lie", ["no ranges", "wrong range"])
def test_a_server_that_lies_about_ranges_starts_over(
    servers: Servers, tmp_path: Path, lie: str
) -> None:
    server = servers.start("truncate", lie, files={"file": CONTENT})
    assert fetched(server, tmp_path / "file") == CONTENT


def test_a_file_that_changed_in_between_is_not_mixed(servers: Servers, tmp_path: Path) -> None:
    first = servers.start("truncate", always="404", files={"file": CONTENT}, hashes=True)
    with pytest.raises(NotHere):
        fetched(first, tmp_path / "file")
    other = CONTENT[::-1]
    second = servers.start(files={"file": other}, hashes=True)
    assert fetched(second, tmp_path / "file") == other
    assert second.ranges("file") == ["bytes=7-", None]


def test_a_second_address_goes_on_only_if_the_hash_of_the_whole_is_the_same(
    servers: Servers, tmp_path: Path
) -> None:
    for hashes, asked in ((True, ["bytes=7-"]), (False, ["bytes=7-", None])):
        first = servers.start("truncate", always="404", files={"file": CONTENT}, hashes=hashes)
        with pytest.raises(NotHere):
            fetched(first, tmp_path / "file")
        second = servers.start(files={"file": CONTENT}, hashes=hashes)
        assert fetched(second, tmp_path / "file") == CONTENT
        assert second.ranges("file") == asked
        (tmp_path / "file").unlink()


def test_bytes_without_the_announced_hash_are_thrown_away(servers: Servers, tmp_path: Path) -> None:
    server = servers.start("corrupt", files={"file": CONTENT}, hashes=True)
    with pytest.raises(NotHere, match="has not the md5 that it announced"):
        fetched(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_size_and_hash_that_come_with_a_redirection_are_checked(
    servers: Servers, tmp_path: Path
) -> None:
    """As Hugging Face does; the server that it sends us to says neither."""
    assert fetched(servers.start("redirect", files={"file": CONTENT}), tmp_path / "file") == CONTENT
    (tmp_path / "file").unlink()
    with pytest.raises(NotHere, match="has not the sha256"):
        fetched(servers.start("redirect", "corrupt", files={"file": CONTENT}), tmp_path / "file")
    with pytest.raises(NotHere, match="announces 10240 bytes and sends 24"):
        fetched(
            servers.start("redirect", "disguised web page", files={"file": CONTENT}),
            tmp_path / "file",
        )


@pytest.mark.parametrize("page", ["web page", "disguised web page"])
def test_the_page_of_a_proxy_is_no_file(servers: Servers, tmp_path: Path, page: str) -> None:
    with pytest.raises(NotHere, match="a proxy or the login page of this network"):
        fetched(servers.start(page, files={"file": CONTENT}), tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_file_of_another_size_than_is_known_is_not_fetched(
    servers: Servers, tmp_path: Path
) -> None:
    with pytest.raises(NotHere, match="its file has 10240 bytes and not 9"):
        fetched(servers.start(files={"file": CONTENT}), tmp_path / "file", size=9)


def test_a_part_longer_than_the_file_is_fetched_anew(servers: Servers, tmp_path: Path) -> None:
    server = servers.start("truncate", always="404", files={"file": CONTENT})
    with pytest.raises(NotHere):
        fetched(server, tmp_path / "file")
    (tmp_path / "file.part").write_bytes(bytes(len(CONTENT) + 1))
    server.always = ""
    assert fetched(server, tmp_path / "file") == CONTENT


# --- a model -------------------------------------------------------------------------------


def test_a_model_is_fetched_whole(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    server = servers.start()
    assert is_whole(get(tmp_path, server), tensorflow_files)
    get(tmp_path, server)
    assert len(server.requests) == len(TENSORFLOW_FILES), "nothing is fetched twice"


@pytest.mark.parametrize("fault", ["404", "403", "web page", "503"])
def test_the_next_place_is_asked_when_one_gives_nothing(
    servers: Servers, tmp_path: Path, tensorflow_files: Files, fault: str
) -> None:
    empty, full = servers.start(always=fault), servers.start()
    assert is_whole(get(tmp_path, empty, full), tensorflow_files)
    assert len(empty.requests) == (TRIES if fault == "503" else 1)


def test_nothing_half_fetched_gets_the_files_name_and_a_restart_goes_on(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    server = servers.start(*[""] * 6, "truncate", always="503")
    with pytest.raises(FinetuneError, match=rf"tiny cannot be downloaded .*{DATA_FILE}: .* 503"):
        get(tmp_path, server)
    assert not (tmp_path / "tiny" / DATA_FILE).exists()
    server.always = ""
    assert is_whole(get(tmp_path, server), tensorflow_files)
    assert server.ranges(DATA_FILE)[-1] == "bytes=7-"


def test_a_restart_goes_on_at_the_place_that_began(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    """The first place may be back by then; asking it would throw away what is there."""
    first = servers.start(always="404")
    second = servers.start(*[""] * 6, "truncate", always="404")
    with pytest.raises(FinetuneError):
        get(tmp_path, first, second)
    first.always = second.always = ""
    assert is_whole(get(tmp_path, first, second), tensorflow_files)
    assert (len(first.requests), second.ranges(DATA_FILE)[-1]) == (1, "bytes=7-")


def test_every_place_is_named_with_its_answer_when_all_fail(
    servers: Servers, tmp_path: Path
) -> None:
    first, second, third = (servers.start(always=f) for f in ("404", "web page", "503"))
    with pytest.raises(FinetuneError) as error:
        get(tmp_path, first, second, hugging_face=third)
    said = str(error.value)
    assert f"{first.place}: hparams.json: it answers 404; {second.place}: hparams" in said
    assert "a proxy or the login page" in said
    assert f"{third.place}: config.json: it answers 503" in said


def test_hugging_faces_copy_is_turned_into_the_same_files(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    gone = servers.start("", "", "truncate", always="404")
    files = {name: (RECORDED / name).read_bytes() for name in HUGGING_FACE_FILES}
    copy = servers.start(*["redirect", ""] * 3, "redirect", "truncate", files=files)
    folder = get(tmp_path, gone, hugging_face=copy)
    assert copy.requests[0][0] == "/models/somebody/tiny/resolve/main/config.json"
    for name in (DATA_FILE, "encoder.json", "vocab.bpe"):
        assert (folder / name).read_bytes() == tensorflow_files[name]
    assert not [p.name for p in folder.iterdir() if "part" in p.name]
    _, weights = read_checked_weights(folder)
    assert weights.keys() >= {"wte", "h1/mlp/c_proj/w"}


def test_another_models_sizes_are_noticed_at_the_first_file(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    other = {**tensorflow_files, "hparams.json": json.dumps({"n_vocab": 1}).encode()}
    wrong, right = servers.start(files=other), servers.start()
    assert is_whole(get(tmp_path, wrong, right), tensorflow_files)
    assert len(wrong.requests) == 1


def test_weights_that_another_downloader_cut_short_are_fetched_again(
    servers: Servers, tmp_path: Path, tensorflow_files: Files
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / DATA_FILE).write_bytes(tensorflow_files[DATA_FILE][:-5])
    assert is_whole(get(tmp_path, servers.start()), tensorflow_files)


def free_bytes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A disk that has just so much room; a real full one needs rights that tests lack."""
    usage = shutil.disk_usage("/")._replace(free=count)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def test_missing_room_is_said_before_anything_is_fetched(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers.start()
    free_bytes(monkeypatch, 40_000_000)
    with pytest.raises(FinetuneError, match=r"needs 0\.11 GB more in .* and 0\.04 GB are free"):
        get(tmp_path, server)
    assert server.requests == []


def test_room_is_checked_against_what_the_server_announces(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes(monkeypatch, finetune.bases.transfer.LEFT_FREE_BYTES + 10_000)
    with pytest.raises(FinetuneError, match=r"only 0\.10 GB are free"):
        fetched(servers.start(files={"file": CONTENT}), tmp_path / "file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_fills_up_is_no_fault_of_the_network(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full takes no byte; so that it is not removed as the part of another source, the
    transfer is kept from tidying up."""
    (tmp_path / "file.part").symlink_to("/dev/full")
    server = servers.start(files={"file": CONTENT})
    monkeypatch.setattr(finetune.bases.transfer, "_forget", lambda path: None)
    with pytest.raises(FinetuneError, match="make room"):
        fetched(server, tmp_path / "file")
    assert len(server.requests) == 1


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBaseModel, match="no GPT-2 called '9000M'"):
        download("9000M", tmp_path, lambda *_: None)
