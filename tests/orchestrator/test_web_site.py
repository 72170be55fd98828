"""What the web page's addresses answer, and to whom."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError
from yarl import URL

from orchestrator.errors import OrchestratorError, SettingsError
from orchestrator.platforms.web import limits
from orchestrator.platforms.web.doors import HEADERS, POLICY
from orchestrator.platforms.web.files import FOLDER
from orchestrator.platforms.web.guard import Guard, Stranger
from orchestrator.platforms.web.listening import address
from orchestrator.platforms.web.settings import WebStage
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path
from tests.orchestrator.web_house import House, house

TOKEN = "a token for the page"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"
)


@pytest.fixture
async def show(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as found:
        yield found


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[House]:
    """A show whose page asks for a token."""
    stage = WebStage(port=0, token_env="PAGE_TOKEN")
    async with house(tmp_path, stage=stage, environment={"PAGE_TOKEN": TOKEN}) as found:
        yield found


def write_past(home: Path, count: int) -> list[int]:
    """Lines a minute apart, each about a phrase of the one before."""
    began, ids = datetime(2026, 11, 1, 12, tzinfo=UTC), [0]
    with Transcript.open(transcript_path(home), fresh=True, seed=1, now=began) as transcript:
        for number in range(count):
            turn = {"source": "line", "phrase": "Big Soup", "phrase_from": ids[-1], "seed": 7,
                    "weights": {"Dex": {"share": 0.75}, "Juno": {"share": 0.25}}}  # fmt: skip
            why = {
                "turn": turn, "timings": {"generate_seconds": number / 10},
                "attempts": [
                    [{"text": "bad", "verdict": "too near to it", "score": -2.0}],
                    [{"text": "good", "verdict": "fit", "score": -1.0},
                     {"text": "also", "verdict": "fit", "score": -1.5}],
                ],
            }  # fmt: skip
            at = began + timedelta(minutes=number)
            text = f"the big soup number {number}"
            ids.append(transcript.add("Dex", "friend", text, why, at, ids[-1] or None))
    return ids[1:]


# --- lines ----------------------------------------------------------------------------------


async def test_a_reader_scrolls_back_to_the_first_line(tmp_path: Path) -> None:
    ids = write_past(tmp_path, 130)
    async with house(tmp_path) as show:
        about = await show.get("/api/show")
        assert (about["first_line"], about["last_line"]) == (ids[0], ids[-1])
        seen: list[int] = []
        before, more = "", True
        while more:
            page = await show.get(f"/api/lines?limit=40{before}")
            seen = [line["id"] for line in page["lines"]] + seen
            before, more = f"&before={seen[0]}", page["more_before"]
        assert seen == ids
        page = await show.get(f"/api/lines?around={ids[60]}&limit=20")
        assert [line["id"] for line in page["lines"]] == ids[50:70]
        assert page["more_before"] and page["more_after"]
        page = await show.get(f"/api/lines?after={ids[99]}&limit=200")
        assert [line["id"] for line in page["lines"]] == ids[100:]
        assert page["more_before"] and not page["more_after"]


async def test_a_search_finds_parts_of_words_and_nothing_taken_back(tmp_path: Path) -> None:
    ids = write_past(tmp_path, 60)
    with Transcript.read(transcript_path(tmp_path)) as transcript:
        transcript.unsay(ids[17])
    async with house(tmp_path) as show:
        found = await show.get("/api/search?q=NUMB+17")
        assert found["lines"] == []
        found = await show.get("/api/search?q=ou+18")
        assert [line["id"] for line in found["lines"]] == [ids[18]]
        found = await show.get("/api/search?q=soup")
        assert found["more_before"]
        found = await show.get(f"/api/search?q=soup&before={found['lines'][0]['id']}")
        assert [line["id"] for line in found["lines"]] == ids[:9]


async def test_why_a_line_was_said_shows_where_its_phrase_stands(tmp_path: Path) -> None:
    ids = write_past(tmp_path, 3)
    async with house(tmp_path) as show:
        why = await show.get(f"/api/lines/{ids[2]}/why")
        phrase = why["phrase"]
        assert phrase["from_line"]["id"] == ids[1]
        text = phrase["from_line"]["text"]
        assert text[phrase["start"] : phrase["end"]].casefold() == "big soup"
        chosen = [c["text"] for attempt in why["candidates"] for c in attempt if c["chosen"]]
        assert chosen == ["good"]
        assert why["weights"] == [
            {"name": "Dex", "share": 0.75}, {"name": "Juno", "share": 0.25},
        ]  # fmt: skip
        assert why["explanation"][0].startswith("Dex said")
        assert why["seconds"] == 0.2
        await show.get("/api/lines/999/why", 404)


async def test_the_figures_are_those_of_the_conversation(tmp_path: Path) -> None:
    write_past(tmp_path, 61)
    async with house(tmp_path) as show:
        figures = await show.get("/api/stats")
    assert figures["turn_shares"] == [
        {"name": "Dex", "here": 1.0, "export": 0.5}, {"name": "Juno", "here": 0.0, "export": 0.5},
    ]  # fmt: skip
    assert figures["lines_per_hour"] == [
        {"hour": "2026-11-01T12:00:00+00:00", "lines": 60},
        {"hour": "2026-11-01T13:00:00+00:00", "lines": 1},
    ]
    assert figures["sources"] == {"line": 61}
    assert figures["seconds"]["p50"] == 3.0
    assert figures["seconds"]["per_friend"] == [{"name": "Dex", "p50": 3.0, "p99": 6.0}]
    assert figures["phrases"][0] == {"phrase": "Big Soup", "from": "Dex", "to": "Dex", "line": 61}


async def test_a_friends_card_tells_of_the_model(show: House) -> None:
    card = await show.get("/api/friends/Juno")
    assert {name: card[name] for name in ("messages", "base", "step", "tokens_per_second")} == {
        "messages": 300, "base": "tiny", "step": 61, "tokens_per_second": 12.5,
    }  # fmt: skip
    assert (card["evaluation"], card["memory_bytes"]) == (None, None)
    await show.get("/api/friends/Nobody", 404)


async def test_the_evaluation_is_shown_without_any_right_to_run_scripts(tmp_path: Path) -> None:
    async with house(tmp_path) as show:
        await show.get("/evaluation/Dex", 404)
        folder = tmp_path / "data" / "evaluation"
        folder.mkdir()
        (folder / "evaluation.html").write_text("<style>p {color: red}</style><p>good")
        (folder / "evaluation.json").write_text(json.dumps({"friends": [{"friend": "Dex"}]}))
        assert (await show.get("/api/friends/Dex"))["evaluation"] == "/evaluation/Dex"
        assert (await show.get("/api/friends/Juno"))["evaluation"] is None
        await show.get("/evaluation/Juno", 404)
        async with show.client.get(f"{show.url}/evaluation/Dex") as response:
            assert "<p>good" in await response.text()
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "sandbox" in policy and "script-src" not in policy


async def test_an_own_picture_is_shown_if_it_is_one(tmp_path: Path) -> None:
    own, odd = tmp_path / "own.jpg", tmp_path / "odd.png"
    own.write_bytes(PIXEL)
    odd.write_text("<script>alert(1)</script>")
    async with house(tmp_path, avatars=[own, odd]) as show:
        for name, kind in (
            ("Dex", "image/png"),
            ("Juno", "image/svg+xml"),
            ("x%2Fy", "image/svg+xml"),
        ):
            async with show.client.get(URL(f"{show.url}/avatars/{name}.svg", encoded=True)) as got:
                assert (got.status, got.content_type) == (200, kind)
                assert "sandbox" in got.headers["Content-Security-Policy"]
                assert b"script" not in await got.read()
        await show.get(f"/avatars/{'x' * 41}.svg", 404)


# --- files and headers ----------------------------------------------------------------------


async def test_every_answer_carries_the_rules_for_browsers(show: House) -> None:
    for path in ("/", "/page/page.css", "/api/show", "/api/nothing", "/avatars/Dex.svg"):
        async with show.client.get(f"{show.url}{path}") as response:
            for name in HEADERS:
                assert name in response.headers, (path, name)
    async with show.client.get(f"{show.url}/") as response:
        assert response.headers["Content-Security-Policy"] == POLICY
        assert "unsafe" not in POLICY


async def test_files_are_sent_once_and_compressed(show: House) -> None:
    url = f"{show.url}/page/page.css"
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.get(url, headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            packed, tag = await response.read(), response.headers["ETag"]
        async with client.get(url, headers={"Accept-Encoding": "identity"}) as response:
            assert "Content-Encoding" not in response.headers
            assert gzip.decompress(packed) == await response.read()
            assert response.content_type == "text/css"
        async with client.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with client.head(url) as response:
            assert (response.status, await response.read()) == (200, b"")
            assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page", "/page/..%2Fsite.py", "/page/%2e%2e/site.py", "/page/../site.py",
     "/page/..%5Csite.py", "/page//etc/passwd", "/page/%00.css", "/page/.hidden.js",
     "/page/page.css%00.js", "/static/page.css"],
)  # fmt: skip
async def test_nothing_but_the_pages_files_can_be_had(show: House, path: str) -> None:
    async with show.client.get(URL(f"{show.url}{path}", encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["error"].endswith(".")


async def test_all_files_of_the_page_are_served_with_their_type(show: House) -> None:
    for file in FOLDER.iterdir():
        async with show.client.get(f"{show.url}/page/{file.name}") as response:
            assert response.status == 200, file.name
            assert response.content_type != "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    ["/api/lines?before=x", "/api/lines?limit=0", "/api/lines?limit=201",
     "/api/lines?before=1&after=2", "/api/live",
     "/api/lines?after=-1", "/api/lines?after=" + "9" * 19, "/api/lines?around=%D9%A3",
     "/api/search", "/api/search?q=" + "x" * 201, "/api/lines/x/why", "/api/live?after=x"],
)  # fmt: skip
async def test_odd_questions_are_refused_with_a_sentence(show: House, path: str) -> None:
    assert (await show.get(path, 400))["error"].endswith((".", "?q=pizza"))


async def test_other_methods_are_refused(show: House) -> None:
    async with show.client.post(f"{show.url}/api/show") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
        assert (await response.json()) == {"error": "That cannot be done at this address."}


async def test_a_busy_transcript_asks_to_come_back(
    show: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.platforms.web.reading.READS_WAITING", 0)
    async with show.client.get(f"{show.url}/api/lines") as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"


# --- who may come in ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:8080", 200), ("evil.example", 403),
     ("127.0.0.1.evil.example", 403), ("", 403), ("[", 403)],
)  # fmt: skip
async def test_a_name_that_points_here_is_no_way_in(show: House, host: str, status: int) -> None:
    for path in ("/", "/api/show", "/page/page.css"):
        async with show.client.get(f"{show.url}{path}", headers={"Host": host}) as response:
            assert response.status == status


async def test_without_the_token_there_is_only_a_form(locked: House) -> None:
    async with locked.client.get(f"{locked.url}/") as response:
        assert response.status == 401
        assert '<form method="post" action="/enter">' in await response.text()
    for path in ("/api/show", "/api/stats", "/avatars/Dex.svg"):
        assert "token" in (await locked.get(path, 401))["error"]
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await locked.page()
    form = {"token": TOKEN}
    async with locked.client.post(
        f"{locked.url}/enter", data=form, headers={"Origin": "http://evil.example"}
    ) as response:
        assert response.status == 403
    async with locked.client.post(
        f"{locked.url}/enter", data={"token": "x" * limits.FORM_BYTES}
    ) as response:
        assert response.status == 413
    async with locked.client.post(f"{locked.url}/enter", data=form) as response:
        assert response.url == URL(f"{locked.url}/")
        assert response.status == 200
    assert (await (await locked.page()).ask("say", author="A", text="hi"))["ok"]


async def test_the_token_in_the_address_does_not_stay_there(locked: House) -> None:
    query = {"token": TOKEN}
    async with locked.client.get(f"{locked.url}/", params=query, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        [cookie] = response.cookies.values()
        assert cookie["httponly"] and cookie["samesite"] == "Strict"
        assert TOKEN not in cookie.value
    await locked.get("/api/show")
    locked.client.cookie_jar.clear()
    locked.client.cookie_jar.update_cookies({cookie.key: cookie.value[:-1] + "\udcff"})
    await locked.get("/api/show", 401)


async def test_who_tries_too_many_tokens_has_to_wait(locked: House) -> None:
    for _ in range(limits.WRONG_TOKENS):
        async with locked.client.get(f"{locked.url}/?token=wrong") as response:
            assert response.status == 401
    async with locked.client.get(f"{locked.url}/", params={"token": TOKEN}) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 61


def test_a_wrong_token_is_forgiven_after_a_while() -> None:
    now = 0.0
    guard = Guard(SecretStr(TOKEN), now=lambda: now)
    for _ in range(limits.WRONG_TOKENS):
        with pytest.raises(Stranger, match="not the token"):
            guard.check_token("wrong", "1.2.3.4")
    with pytest.raises(Stranger, match="wait"):
        guard.check_token(TOKEN, "1.2.3.4")
    guard.check_token(TOKEN, "5.6.7.8")
    now = limits.WRONG_TOKEN_SECONDS
    guard.check_token(TOKEN, "1.2.3.4")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
async def test_others_are_let_in_only_with_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="token_file"):
        async with house(tmp_path, stage=WebStage(host=host, port=0)):
            pass


async def test_a_token_that_is_soon_guessed_is_refused(tmp_path: Path) -> None:
    stage = WebStage(port=0, token_env="T")
    with pytest.raises(SettingsError, match="8 letters or more"):
        async with house(tmp_path, stage=stage, environment={"T": "1234567"}):
            pass


async def test_a_page_for_the_house_is_found_at_any_name(tmp_path: Path) -> None:
    stage = WebStage(host="0.0.0.0", port=0, token_env="T")
    async with house(tmp_path, stage=stage, environment={"T": TOKEN}) as show:
        port = URL(show.url).port
        for host in ("friends.example", "127.0.0.1"):
            async with show.client.get(
                f"http://127.0.0.1:{port}/", params={"token": TOKEN}, headers={"Host": host},
                allow_redirects=False,
            ) as response:  # fmt: skip
                assert response.status == 303


# --- ports ----------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OrchestratorError, match=f"another program uses port {port}; end it"):
            async with house(tmp_path, stage=WebStage(port=port)):
                pass


async def test_an_address_of_another_machine_is_told_in_one_sentence(tmp_path: Path) -> None:
    stage = WebStage(host="192.0.2.1", port=0, token_env="T")
    with pytest.raises(OrchestratorError, match="is no address of this machine"):
        async with house(tmp_path, stage=stage, environment={"T": TOKEN}):
            pass


async def test_without_a_port_the_next_free_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("orchestrator.platforms.web.listening.FIRST_PORT", port)
        async with house(tmp_path, stage=WebStage()) as show:
            assert port < (URL(show.url).port or 0) < port + limits.PORTS_TRIED
            assert show.platform.where == f"on {show.url}"
            assert show.platform.name == "web"


async def test_people_are_told_the_address_that_a_proxy_has(tmp_path: Path) -> None:
    stage = WebStage(port=0, address="https://friends.example")
    async with house(tmp_path, stage=stage) as show:
        assert show.platform.where == "on https://friends.example"


@pytest.mark.parametrize("text", ["friends.example", "ftp://friends.example", "https://"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"is no such thing as 'https://friends\.example'"):
        WebStage(address=text)


@pytest.mark.parametrize(
    ("host", "found"),
    [("127.0.0.1", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080"),
     ("localhost", "http://localhost:8080"), ("box.home", "http://box.home:8080")],
)  # fmt: skip
def test_the_address_is_what_one_types(host: str, found: str) -> None:
    assert address(host, 8080) == found
    assert "0.0.0.0" not in address("0.0.0.0", 8080)


def test_no_script_makes_markup_of_text() -> None:
    page = Path(__file__).parents[2] / "orchestrator/platforms/web/page"
    makes_markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b")
    files = [*page.glob("*.js"), *page.glob("*.html")]
    assert len(files) > 10
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not makes_markup.search(text), file.name
        assert not re.search(r"https?://(?!www\.w3\.org)", text), file.name
        assert not re.search(r"<[^>]+\s(on\w+|style)=", text), file.name
