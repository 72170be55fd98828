"""What whoever runs a server sees of it: figures, request ids, logs, keys and host names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_server import wire
from tests.conftest import run_botconvo
from tests.model_server.running import Running, running

SECRET = "walrus"
BODY = json.dumps({"messages": [{"content": f"the {SECRET} ate soup"}], "n": 3, "seed": 1})


@pytest.fixture(scope="module")
def server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("server") / "log"
    with running(
        log, checkpoints / "marlow", "--engine", "echo", "--allow-host", "Bots.Example"
    ) as server:
        yield server


def key_file(folder: Path, key: str = "a-key", mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(key, encoding="utf-8")
    path.chmod(mode)
    return path


def test_get_takes_the_prompt_from_the_query_before_the_header(server: Running) -> None:
    query = server.ask("/?prompt=pizza%20soup%20bread&seed=1")
    header = server.ask("/?seed=1", headers={"prompt": "pizza%20soup%20bread"})
    both = server.ask("/?prompt=pizza%20soup%20bread&seed=1", headers={"prompt": "other words"})
    assert query[0] == 200
    assert query[1]["Content-Type"] == "text/plain; charset=utf-8"
    assert query[2] == header[2] == both[2]
    assert query[2].count("\n") == 1
    plain = server.ask("/?seed=1", headers={"prompt": "pizza soup bread"})
    assert plain[2] == query[2]


def test_tokens_are_counted_as_usage_says(server: Running) -> None:
    names = ("botconvo_prompt_tokens_total", "botconvo_drawn_tokens_total")
    before = [server.metric(name) for name in names]
    usage = json.loads(server.ask(wire.CHAT_PATH, BODY)[2])["usage"]
    after = [server.metric(name) for name in names]
    drawn = [usage["prompt_tokens"], usage["completion_tokens"]]
    assert [new - old for new, old in zip(after, before, strict=True)] == drawn
    assert server.metric("botconvo_tokens_per_second") > 0
    assert server.metric("botconvo_requests_running") == 0
    assert server.metric("botconvo_requests_waiting") == 0


def test_metrics_are_prometheus_text_and_unknown_paths_share_one_row(server: Running) -> None:
    for number in range(3):
        server.ask(f"/nothing/{number}")
    status, headers, text = server.ask("/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    rows = [line for line in text.splitlines() if line.startswith("botconvo_requests_total")]
    assert [row for row in rows if 'path="other",status="404"' in row]
    assert "/nothing" not in text


@pytest.mark.parametrize("given", ["abc", "A.b:c-d_1", "x" * 100])
def test_a_given_request_id_is_echoed_and_logged(server: Running, given: str) -> None:
    _, headers, _ = server.ask(wire.CHAT_PATH, BODY, {"X-Request-Id": given})
    assert headers["X-Request-Id"] == given
    assert server.logged()[-1]["request_id"] == given


def test_refusals_and_streams_have_a_request_id_too(server: Running) -> None:
    stream = json.dumps(json.loads(BODY) | {"stream": True})
    asked = (("/nothing", None), (wire.CHAT_PATH, "{"), (wire.CHAT_PATH, stream), ("/health", None))
    ids = [server.ask(path, body)[1]["X-Request-Id"] for path, body in asked]
    assert all(len(request_id) == 32 for request_id in ids)
    assert len(set(ids)) == len(ids)


def test_the_log_is_json_lines_without_what_was_said(server: Running) -> None:
    streamed = json.dumps(json.loads(BODY) | {"stream": True})
    for body in (BODY, streamed, f'{{"messages": "{SECRET}"}}', f"{SECRET}"):
        server.ask(wire.CHAT_PATH, body)
    for path in (f"/?prompt={SECRET}", f"/{SECRET}", f"/v1/models/{SECRET}", f"/?n={SECRET}"):
        server.ask(path, headers={"prompt": SECRET})
    assert SECRET not in server.log.read_text(encoding="utf-8")
    lines = server.logged()
    assert lines[0]["event"] == "ready"
    asked = [line for line in lines if line["event"] == "request"]
    assert {"time", "level", "request_id", "method", "path", "status", "ms"} <= set(asked[-1])
    assert any(line.get("tokens") for line in asked)


def test_a_server_that_is_well_writes_no_line_when_it_is_asked_how_it_is(server: Running) -> None:
    for path, host, number in (
        ("/health", "localhost", "well"), ("/health", "elsewhere.example", "refused"),
        ("/nothing", "localhost", "other"),
    ):  # fmt: skip
        server.ask(path, headers={"Host": host, "X-Request-Id": number})
    told = {line.get("request_id"): line.get("status") for line in server.logged()}
    assert (told["refused"], told["other"]) == (403, 404)
    assert "well" not in told


def test_what_was_said_is_logged_if_that_is_asked_for(checkpoints: Path, tmp_path: Path) -> None:
    with running(
        tmp_path / "log", checkpoints / "marlow", "--engine", "echo", "--log-prompts"
    ) as server:
        answer = json.loads(server.ask(wire.CHAT_PATH, BODY)[2])["choices"][0]["message"]["content"]
        line = server.logged()[-1]
    assert SECRET in line["prompt"]
    assert line["answer"] == answer


def test_health_names_the_friend(server: Running) -> None:
    status, _, text = server.ask("/health")
    assert (status, json.loads(text)) == (200, {"status": "ok", "model": "Marlow"})


@pytest.mark.parametrize("host", ["bots.example", "BOTS.example:80", "localhost", "127.0.0.1:1"])
def test_this_machine_may_be_called_so(server: Running, host: str) -> None:
    assert server.ask("/health", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "bots.example.evil", "", "127.0.0.1@evil"]
)
def test_another_name_is_refused_on_every_path(server: Running, host: str) -> None:
    for path in ("/", "/health", "/metrics", "/v1/models", "/openapi.json", "/nothing"):
        status, _, text = server.ask(path, headers={"Host": host})
        assert (status, json.loads(text)["error"]["type"]) == (403, "invalid_request_error")


def test_no_answer_lets_pages_of_other_origins_read_it(server: Running) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS"):
        _, headers, _ = server.ask("/", headers=asked, method=method)
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_only_who_sends_the_key_is_answered(checkpoints: Path, tmp_path: Path) -> None:
    path = key_file(tmp_path, "a-kéy\n")
    with running(
        tmp_path / "log", checkpoints / "marlow", "--engine", "echo", "--key-file", path
    ) as server:
        for wrong in ("", "Bearer", "Bearer ", "Bearer a-k", "Basic a-k\xe9y", "Bearer \xff\xfe"):
            headers = {"Authorization": wrong} if wrong else {}
            for place in ("/", "/metrics", "/v1/models", "/openapi.json", "/nothing"):
                assert server.ask(place, headers=headers)[0] == 401
        assert server.ask("/health")[0] == 200
        right = "a-kéy".encode().decode("latin-1")  # http.client writes latin-1
        for scheme in ("Bearer", "bearer"):
            assert server.ask("/", headers={"Authorization": f"{scheme} {right}"})[0] == 200
        assert "a-k" not in server.log.read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(
    checkpoints: Path, tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, mode=mode)
    done = run_botconvo("serve", checkpoints / "marlow", "--port", 0, "--key-file", path)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert f"chmod 600 {path}" in line


def test_an_empty_or_missing_key_file_is_said_in_one_sentence(
    checkpoints: Path, tmp_path: Path
) -> None:
    for path in (key_file(tmp_path, "\n"), tmp_path / "nothing"):
        done = run_botconvo("serve", checkpoints / "marlow", "--port", 0, "--key-file", path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert str(path) in done.stderr
