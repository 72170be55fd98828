"""Whatever is sent: the documented error in OpenAI's shape, and never a 500."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_server import wire
from tests.conftest import HANGS_AFTER_SECONDS
from tests.model_server.running import Running, running

PATHS = (wire.CHAT_PATH, wire.COMPLETIONS_PATH)
GOOD: dict[str, dict[str, Any]] = {
    wire.CHAT_PATH: {"messages": [{"content": "soup"}]},
    wire.COMPLETIONS_PATH: {"prompt": "soup"},
}
HUGE = "9" * 10_000
DEEP = 100_000

both = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="module")
def server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("server") / "log"
    with running(log, checkpoints / "marlow", "--engine", "echo") as server:
        yield server
        assert server.ask("/health")[0] == 200
        assert not [line for line in server.logged() if line["level"] == "error"]


def sent(
    server: Running, path: str, body: bytes | str, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and error of a request, whose shape is looked at."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, text = server.ask(path, body, {"Content-Type": "application/json", **named})
    answer = json.loads(text)
    if status == 200:
        return status, {}
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"] == "invalid_request_error"
    return status, error


def with_raw(path: str, field: str, raw: str) -> str:
    """A good body with one field in JSON as it stands, valid or not."""
    return f'{json.dumps(GOOD[path])[:-1]}, "{field}": {raw}}}'


def raw_bytes(server: Running, data: bytes) -> bytes:
    """What comes back for bytes on the wire."""
    netloc = urlsplit(server.url)
    address = (netloc.hostname or "", netloc.port or 0)
    with socket.create_connection(address, timeout=HANGS_AFTER_SECONDS) as sock:
        sock.sendall(data)
        answer = b""
        while part := sock.recv(65536):
            answer += part
    return answer


@both
@pytest.mark.parametrize(
    "body",
    ["", "{", "nonsense", "[]", "null", "3", '"text"', "{]}", '{"messages": [}', "\0", "\ufeff{}",
     "{'prompt': 1}", "[" * DEEP, '{"a":' * DEEP, "[" * 500 + "]" * 500, "\r\n\r\n"],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_is_no_json_object_is_400(server: Running, path: str, body: str) -> None:
    assert sent(server, path, body.encode())[0] == 400


@both
def test_bytes_that_are_no_utf8_are_400_whatever_charset_is_named(
    server: Running, path: str
) -> None:
    for body in (
        b"\xff\xfe{}",
        b'{"model": "\xed\xa0\x80"}',
        json.dumps(GOOD[path]).encode("utf-16"),
    ):
        for charset in ("utf-8", "latin-1", "utf-16", "no-such-charset", "idna", "unicode_escape"):
            kind = f"application/json; charset={charset}"
            assert sent(server, path, body, Content_Type=kind)[0] == 400


@both
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "a;b"])
def test_json_is_read_as_json_whatever_it_is_called(server: Running, path: str, kind: str) -> None:
    """curl -d calls everything a form."""
    assert sent(server, path, json.dumps(GOOD[path]), Content_Type=kind)[0] == 200
    assert sent(server, path, "prompt=soup", Content_Type=kind)[0] == 400


@both
@pytest.mark.parametrize(
    "raw",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", HUGE, f"-{HUGE}", f"{HUGE}.5", "1e308",
     "1.5", '"1"', "true", "[]", "{}", '"NaN"'],
    ids=lambda raw: raw[:12],
)  # fmt: skip
@pytest.mark.parametrize("field", ["n", "max_tokens", "top_k", "seed", "no_repeat_ngram"])
def test_numbers_that_are_none_are_400_and_named(
    server: Running, path: str, field: str, raw: str
) -> None:
    status, error = sent(server, path, with_raw(path, field, raw))
    assert status == 400
    assert error["param"] in (field, None)  # None: not even JSON
    assert len(error["message"]) < 500


@both
@pytest.mark.parametrize("raw", ["NaN", "Infinity", "1e999", HUGE, '"warm"', "true", "-0.1", "[1]"])
@pytest.mark.parametrize("field", ["temperature", "top_p", "repetition_penalty"])
def test_temperatures_that_are_none_are_400(
    server: Running, path: str, field: str, raw: str
) -> None:
    assert sent(server, path, with_raw(path, field, raw))[0] == 400


@both
def test_a_whole_number_may_be_written_with_a_point(server: Running, path: str) -> None:
    assert sent(server, path, with_raw(path, "n", "2.0"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (wire.CHAT_PATH, {"messages": "soup"}, "messages"),
        (wire.CHAT_PATH, {"messages": [1]}, "messages.0"),
        (wire.CHAT_PATH, {"messages": [{"content": 1}]}, "messages.0.content"),
        (wire.CHAT_PATH, {"messages": [{"content": "a", "role": "god"}]}, "messages.0.role"),
        (wire.CHAT_PATH, {"messages": [], "stream": "yes"}, "stream"),
        (wire.CHAT_PATH, {"messages": [], "botconvo": []}, "botconvo"),
        (wire.CHAT_PATH, {"messages": [], "top_logprobs": 6}, "top_logprobs"),
        (wire.CHAT_PATH, {"messages": [], "stop": ["a"] * 5}, "stop"),
        (wire.CHAT_PATH, {"messages": [], "stop": ""}, "stop"),
        (wire.CHAT_PATH, {"messages": [], "stop": 1}, "stop"),
        (wire.CHAT_PATH, {"messages": [], "no_repeat_ngram": 1}, "no_repeat_ngram"),
        (wire.CHAT_PATH, {"messages": [], "no_repeat_ngram": False}, "no_repeat_ngram"),
        (wire.COMPLETIONS_PATH, {"prompt": None}, "prompt"),
        (wire.COMPLETIONS_PATH, {"prompt": {"a": 1}}, "prompt"),
        (wire.COMPLETIONS_PATH, {"prompt": "x" * (wire.MAX_PROMPT_CHARS + 1)}, "prompt"),
        (wire.COMPLETIONS_PATH, {"prompt": [100_000_000]}, "prompt"),
        (wire.COMPLETIONS_PATH, {"prompt": [10**30]}, "prompt"),
        (wire.COMPLETIONS_PATH, {"logprobs": True}, "logprobs"),
    ],
)  # fmt: skip
def test_wrong_values_are_400_and_name_the_field(
    server: Running, path: str, body: Any, param: str
) -> None:
    status, error = sent(server, path, json.dumps(body))
    assert (status, error["param"]) == (400, param)


@pytest.mark.parametrize("ids", [[-1], [0, -5], [1.5], ["a"], [None], [True], [[1]], [2**63]])
def test_token_ids_that_are_none_are_400(server: Running, ids: list[Any]) -> None:
    status, error = sent(server, wire.COMPLETIONS_PATH, json.dumps({"prompt": ids}))
    assert status == 400
    assert str(error["param"]).startswith("prompt")


@both
@pytest.mark.parametrize("escaped", [r"\ud800", r"\udfff", r"a\udc00\ud800b"])
def test_half_a_surrogate_pair_is_400(server: Running, path: str, escaped: str) -> None:
    field = "model" if path == wire.CHAT_PATH else "prompt"
    assert sent(server, path, with_raw(path, field, f'"{escaped}"'))[0] == 400
    line = f'{{"messages": [{{"content": "{escaped}"}}], "prompt": "{escaped}"}}'
    assert sent(server, path, line)[0] == 400


@both
@pytest.mark.parametrize("text", ["a\0b", "\r\n\r\nX: y", "🙂", "\u202e", "<|endoftext|>", ""])
def test_odd_characters_are_text_like_any_other(server: Running, path: str, text: str) -> None:
    body = {"messages": [{"content": text, "name": text}], "prompt": text, "model": text}
    assert sent(server, path, json.dumps(body))[0] == 200


@both
def test_ten_megabytes_are_413(server: Running, path: str) -> None:
    body = json.dumps({"messages": [{"content": "x" * 10_000_000}], "prompt": "x" * 10_000_000})
    assert sent(server, path, body)[0] == 413


@both
def test_ten_megabytes_behind_a_small_gzip_are_413_too(server: Running, path: str) -> None:
    body = gzip.compress(b'{"prompt": "' + b"x" * 10_000_000 + b'"}')
    assert len(body) < 20_000
    assert sent(server, path, body, Content_Encoding="gzip")[0] == 413


@both
def test_a_body_that_is_not_packed_as_it_says_is_400(server: Running, path: str) -> None:
    for packing in ("gzip", "deflate", "nonsense"):
        assert sent(server, path, "not packed", Content_Encoding=packing)[0] == 400


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/", "/v1/models/", "/v1/chat", "//", "/..%2f..%2fetc/passwd",
             "/v1/models/%00", "/v1/models/%ff", "/v1/models/a%2Fb", "/%"]
)  # fmt: skip
def test_an_unknown_path_is_404(server: Running, path: str) -> None:
    status, _, text = server.ask(path)
    assert (status, json.loads(text)["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    ("path", "allowed"), [("/", "GET"), (wire.CHAT_PATH, "POST"), (wire.HEALTH_PATH, "GET")]
)
def test_an_unknown_method_is_405_and_told_what_is_allowed(
    server: Running, path: str, allowed: str, method: str
) -> None:
    status, headers, text = server.ask(path, method=method)
    assert (status, headers["Allow"]) == (405, allowed)
    assert json.loads(text)["error"]["message"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "given",
    ["a b", "x" * 101, "ä", "<script>", "a\tb", "a;b", '"', "٣", "%0d%0aX-Evil: 1", ""],
    ids=repr,
)
def test_a_bad_request_id_is_replaced(server: Running, given: str) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: "
    answer = raw_bytes(server, head + given.encode() + b"\r\n\r\n").decode()
    [told] = [line for line in answer.split("\r\n") if line.startswith("X-Request-Id: ")]
    assert told.removeprefix("X-Request-Id: ") != given
    assert len(told.removeprefix("X-Request-Id: ")) == 32
    assert "X-Evil" not in answer


@pytest.mark.parametrize("name", ["X-Request-Id", "prompt", "Authorization", "Host"])
@pytest.mark.parametrize("value", [b"a\rX-Evil: 1", b"a\nX-Evil: 1", b"a\0b", b"a\r\n X-Evil: 1"])
def test_headers_cannot_be_injected(server: Running, name: str, value: bytes) -> None:
    host = b"" if name == "Host" else b"Host: localhost\r\n"
    head = b"GET / HTTP/1.1\r\nConnection: close\r\n" + host + name.encode() + b": "
    answer = raw_bytes(server, head + value + b"\r\n\r\n")
    head_lines = answer.partition(b"\r\n\r\n")[0]
    assert answer.split()[1] in (b"200", b"400", b"403")
    assert b"X-Evil" not in head_lines


@pytest.mark.parametrize(
    "value",
    [b"\xff\xfe", b"%FF%FE", b"%ed%a0%80", b"%", b"%0d%0aX-Evil: 1", b"gr\xc3\xbcn"],
)
def test_the_prompt_header_may_hold_any_bytes(server: Running, value: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nprompt: "
    answer = raw_bytes(server, head + value + b"\r\n\r\n")
    assert answer.split()[1] in (b"200", b"503")
    assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    "query",
    ["n=0", "n=a", "n=1e9", f"n={HUGE[:5000]}", "temperature=nan", "temperature=inf", "top_p=0",
     "temperature=1e999", "seed=-1", "no_repeat_ngram=1", "max_tokens=", "top_k=%00", "n=%ff"],
    ids=lambda query: query[:20],
)  # fmt: skip
def test_a_query_with_a_wrong_number_is_400(server: Running, query: str) -> None:
    status, _, text = server.ask(f"/?prompt=soup&{query}")
    assert (status, json.loads(text)["error"]["param"]) == (400, query.partition("=")[0])


def test_every_way_to_draw_can_be_asked_for_in_a_query(server: Running) -> None:
    query = "n=2&max_tokens=9&temperature=0.5&top_k=0&top_p=1&repetition_penalty=1&seed=0"
    for size in (0, 2):
        status, _, text = server.ask(f"/?prompt=good%20soup&{query}&no_repeat_ngram={size}")
        assert status == 200, text


NOT_HTTP = [
    b"SECRET\r\n\r\n",
    b"GET /?prompt=SECRET TEXT HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer SECRET\0\r\n\r\n",
    b"GET /?prompt=" + b"SECRET" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nSECRET",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nSECRET",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\n\r\n",
]


@pytest.mark.parametrize("data", NOT_HTTP, ids=lambda data: repr(data[:30]))
def test_what_is_no_http_is_400_and_not_quoted_in_the_log(server: Running, data: bytes) -> None:
    assert raw_bytes(server, data).split()[1] == b"400"
    assert server.logged()[-1]["level"] in ("warning", "info")
    assert "SECRET" not in server.log.read_text(encoding="utf-8")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = sorted(wire.ChatRequest.model_fields | wire.CompletionRequest.model_fields)
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)


@both
@given(body=json_values | bodies)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_json_is_answered_or_refused(server: Running, path: str, body: Any) -> None:
    streams = isinstance(body, dict) and body.get("stream") is True
    if streams:
        body["stream"] = False
    assert sent(server, path, json.dumps(body))[0] in (200, 400)


@both
@given(body=st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_refused(server: Running, path: str, body: bytes) -> None:
    assert sent(server, path, body)[0] in (200, 400)


@given(prompt=st.text(max_size=60), name=st.text(max_size=60))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_may_be_said_to_a_friend(server: Running, prompt: str, name: str) -> None:
    own = {"phrase": prompt, "begin_with_phrase": True, "speaker": name}
    body = {"messages": [{"content": prompt, "name": name}], "botconvo": own, "n": 2, "seed": 1}
    assert sent(server, wire.CHAT_PATH, json.dumps(body))[0] == 200
    status, _, _ = server.ask("/?prompt=" + quote(prompt))
    assert status in (200, 503)  # 503: nothing fit to be said came up
