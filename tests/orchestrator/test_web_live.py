"""The sockets of the web page: a real show, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.platforms import Command, PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.platforms.web import incoming, limits, pages
from orchestrator.platforms.web.pages import OVER, TOO_MUCH, UNREADABLE
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path
from tests.orchestrator.web_house import PATIENCE_SECONDS, House, Socket, house, text_of


@pytest.fixture
async def show(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as found:
        yield found


# --- what pages are told --------------------------------------------------------------------


async def test_a_friends_line_comes_to_every_page_once(show: House) -> None:
    everybody = [await show.page() for _ in range(3)]
    show.models.let(3)
    for page in everybody:
        lines = await page.lines(3)
        assert [line["text"] for line in lines] == [text_of(number) for number in (1, 2, 3)]
        assert {line["kind"] for line in lines} == {"friend"}
        assert any(frame["type"] == "typing" for frame in page.seen)


async def test_what_a_person_says_has_its_number_from_the_show(show: House) -> None:
    first, second = await show.page(), await show.page()
    answer = await first.ask("say", author="  Ann\na ", text="<b>hi</b> Dex")
    assert answer["ok"]
    [line] = await first.lines(1)
    assert [line] == await second.lines(1)
    assert (line["speaker"], line["text"], line["kind"]) == ("Ann a", "<b>hi</b> Dex", "person")
    assert line["stage"] == "web"
    async with show.transcript() as transcript:
        assert transcript.line_of("web", f"line-{line['id']}") == line["id"]
    assert (await show.answer_to(second, line))["speaker"] == "Dex"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\u202eAnn", "Ann"),
        ("\u200b", "somebody"),
        ("🧑\u200d🚀", "🧑\u200d🚀"),
        ("Zoë\u00ad", "Zoë"),
    ],
)
def test_names_have_nothing_in_them_that_is_not_seen(name: str, shown: str) -> None:
    read = incoming.read(json.dumps({"type": "say", "to": 1, "author": name, "text": "hi"}))
    assert isinstance(read, incoming.Say)
    assert read.author == shown


async def test_a_reply_goes_to_the_friend_who_said_the_line(show: House) -> None:
    page = await show.page()
    show.models.let(1)
    [line] = await page.lines(1)
    await page.ask("say", author="Anna", text="what do you mean?", reply_to=line["id"])
    [reply] = await page.lines(1)
    assert reply["reply_to"] == line["id"]
    assert (await show.answer_to(page, reply))["speaker"] == line["speaker"]


async def test_lines_of_other_stages_come_with_their_name(tmp_path: Path) -> None:
    other = ScriptedPlatform("discord 12")
    async with house(tmp_path, more=[other]) as show:
        page = await show.page()
        other.do(PersonLine("m1", "Bob", "hello from afar"))
        [line] = await page.lines(1)
        assert (line["speaker"], line["stage"]) == ("Bob", "discord 12")
        await page.ask("say", author="Anna", text="hello back")
        [shown] = [s for s in await other.when_shown(1) if s.friend == "Anna"]
        assert shown.text == "hello back"


async def test_the_state_follows_what_people_do(show: House) -> None:
    page = await show.page()
    assert page.seen[0]["state"]["running"]
    answer = await page.ask("command", author="Anna", name="pause", argument="")
    assert (answer["ok"], answer["text"]) == (True, "Paused; /resume goes on.")
    while (await page.frame("state"))["state"]["running"]:
        pass
    await page.ask("command", author="Anna", name="mute", argument="dex")
    while not (await page.frame("state"))["state"]["friends"][0]["muted"]:
        pass


async def test_a_command_that_is_refused_is_told_apart(show: House) -> None:
    page = await show.page()
    answer = await page.ask("command", author="Anna", name="mute", argument="nobody")
    assert not answer["ok"]
    assert answer["text"].startswith("Nobody is called 'nobody'")


async def test_a_notice_that_stands_in_the_transcript_is_a_line(show: House) -> None:
    page = await show.page()
    for name in ("dex", "juno"):
        await page.ask("command", author="Anna", name="mute", argument=name)
    show.models.let(5)  # whoever was about to speak
    while (await page.frame("line"))["line"]["kind"] != "notice":
        pass
    notice = page.seen[-1]["line"]
    assert notice["text"] == "Nobody speaks: everybody is muted."
    assert (await show.get("/api/lines"))["lines"][-1] == notice


# --- coming back ----------------------------------------------------------------------------


async def test_a_page_that_comes_back_gets_what_it_missed(show: House) -> None:
    page = await show.page()
    show.models.let(2)
    lines = await page.lines(2)
    await page.socket.close()
    witness = await show.page()
    show.models.let(3)
    missed = await witness.lines(3)
    back = await show.page(f"?after={lines[-1]['id']}")
    assert back.seen[0]["lines"] == missed
    show.models.let(1)
    assert await back.lines(1) == await witness.lines(1)


async def test_lines_said_while_pages_come_are_neither_lost_nor_doubled(show: House) -> None:
    witness = await show.page()
    show.models.let(60)

    async def comes(after_lines: int) -> tuple[list[int], Socket]:
        await witness.lines(after_lines)
        page = await show.page("?after=0")
        return [line["id"] for line in page.seen[0]["lines"]], page

    came = [await comes(3) for _ in range(12)]
    await witness.lines(24)
    everything = [line["id"] for line in (await show.get("/api/lines?limit=200"))["lines"]]
    assert len(everything) == 60
    for greeted, page in came:
        told = await page.lines(60 - len(greeted))
        assert greeted + [line["id"] for line in told] == everything


async def test_whoever_comes_back_reads_what_was_changed_meanwhile(show: House) -> None:
    page = await show.page()
    show.models.let(2)
    first, second = await page.lines(2)
    show.models.let(2)  # one for whoever was to speak
    await page.ask("command", author="A", name="again", argument="", line=first["id"])
    await page.ask("command", author="A", name="oops", argument="", line=second["id"])
    [edit] = [f for f in page.seen if f["type"] == "edit"]
    assert (edit["line"]["id"], edit["line"]["edited"]) == (first["id"], True)
    assert edit["line"]["text"] != first["text"]
    assert [f["id"] for f in page.seen if f["type"] == "unsay"] == [second["id"]]
    lines = {line["id"]: line for line in (await show.get("/api/lines"))["lines"]}
    assert lines[first["id"]] == edit["line"]
    assert (lines[second["id"]]["unsaid"], lines[second["id"]]["text"]) == (True, "")


async def test_whoever_missed_too_many_lines_loads_anew(tmp_path: Path) -> None:
    write_past(tmp_path, limits.MISSED_LINES + 2)
    async with house(tmp_path) as show:
        assert (await show.page("?after=1")).seen[0]["reload"]
        page = await show.page("?after=2")
        assert "reload" not in page.seen[0]
        assert len(page.seen[0]["lines"]) == limits.MISSED_LINES


async def test_a_line_of_before_can_be_taken_back_and_answered(tmp_path: Path) -> None:
    """Pages show lines that were said before the stage was there, and whoever changes them."""
    [older, old] = write_past(tmp_path, 2)
    other = ScriptedPlatform("discord 12")
    async with house(tmp_path, more=[other]) as show:
        page = await show.page()
        await page.ask("say", author="Anna", text="really?", reply_to=old)
        await page.lines(1)
        answer = await page.ask("command", author="Anna", name="oops", argument="", line=old)
        assert answer["ok"]
        assert [f["id"] for f in page.seen if f["type"] == "unsay"] == [old]
        other.do(Command("Bob", "oops", str(older)))
        assert (await page.frame("unsay"))["id"] == older


def write_past(home: Path, count: int) -> list[int]:
    now = datetime.now(UTC)
    with Transcript.open(transcript_path(home), fresh=True, seed=1, now=now) as transcript:
        return [transcript.add("Dex", "friend", f"past {n}", {}, now) for n in range(count)]


# --- what pages may send --------------------------------------------------------------------


async def test_a_line_that_is_sent_again_is_said_once(show: House) -> None:
    page = await show.page()
    for _ in range(2):
        assert (await page.ask("say", author="A", text="only once", key="k1"))["ok"]
    back = await show.page()
    assert (await back.ask("say", author="A", text="only once", key="k1"))["ok"]
    await back.ask("say", author="A", text="the end", key="k2")
    while (await page.frame("line"))["line"]["text"] != "the end":
        pass
    said = [frame["line"]["text"] for frame in page.seen if frame["type"] == "line"]
    assert said == ["only once", "the end"]


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"author": "dexY", "text": "x"}, "dexY is one of the friends; take another name."),
        ({"author": "De\u200bx", "text": "x"}, "Dex is one of the friends; take another name."),
        (
            {"author": "D\u200dex", "text": "x"},
            "D\u200dex is one of the friends; take another name.",
        ),
        ({"author": "Ｄｅｘ", "text": "x"}, "Ｄｅｘ is one of the friends; take another name."),
        ({"author": "A", "text": " ** "}, "There is nothing to read in that."),
        ({"author": "A", "text": "\u200b \u2060"}, "There is nothing to read in that."),
        ({"author": "A", "text": "x" * 2001}, "A line has at most 2000 letters."),
        ({"author": "A" * 41, "text": "x"}, "A name has at most 40 letters."),
        ({"author": "A", "text": 5}, "text is missing, too long or none of its kind."),
    ],
)
async def test_what_cannot_be_said_is_answered(
    show: House, fields: dict[str, Any], answer: str
) -> None:
    page = await show.page()
    got = await page.ask("say", **fields)
    assert (got["ok"], got["text"]) == (False, answer)
    assert (await page.ask("say", author="A", text="x" * 2000))["ok"]


async def test_a_command_that_is_too_long_is_answered(show: House) -> None:
    page = await show.page()
    order = {"author": "A", "name": "topic", "argument": "x" * (limits.ARGUMENT_CHARS + 1)}
    assert not (await page.ask("command", **order))["ok"]
    answer = await page.ask("command", **(order | {"argument": "", "name": "x" * 21}))
    assert answer["text"] == "There is no such command; /help lists those there are."


async def test_a_show_that_is_behind_says_so(show: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENTS_WAITING", 0)
    answer = await (await show.page()).ask("say", author="A", text="hi")
    assert not answer["ok"]
    assert "too much to read" in answer["text"]


async def test_a_page_that_floods_the_show_is_let_go(show: House) -> None:
    page = await show.page()
    for _ in range(limits.FRAMES_AT_ONCE + 5):
        await page.send("visible", visible=True)
    assert await page.close_code() == TOO_MUCH
    assert (await (await show.page()).ask("say", author="A", text="hi"))["ok"]


async def test_a_page_that_talks_nonsense_is_let_go(show: House) -> None:
    page = await show.page()
    for _ in range(limits.ODD_FRAMES + 1):
        await page.socket.send_str("{")
    assert (await page.frame("error"))["text"] == "That is no JSON."
    assert await page.close_code() == UNREADABLE


async def test_a_frame_that_is_too_large_ends_the_socket(show: House) -> None:
    page = await show.page()
    await page.socket.send_str("x" * (limits.FRAME_BYTES + 1))
    assert await page.close_code() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    emoji = json.dumps({"type": "say", "to": 1, "author": "A", "text": "😀" * limits.TEXT_CHARS})
    assert len(emoji) < limits.FRAME_BYTES
    page = await show.page()
    await page.socket.send_str(emoji)
    assert (await page.frame("answer"))["ok"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
LIKELY = st.fixed_dictionaries(
    {"type": st.sampled_from(["say", "command", "visible"]) | JSON},
    optional={
        name: JSON | st.integers(0, 99) | st.text()
        for name in ("to", "author", "text", "name", "argument", "line", "reply_to", "key")
    },
)


@given(sent=(JSON | LIKELY).map(json.dumps) | st.text())
@settings(max_examples=150, deadline=None)
def test_any_frame_is_read_or_refused_with_a_sentence(sent: str) -> None:
    try:
        read = incoming.read(sent)
    except incoming.Unreadable as error:
        assert str(error).endswith(".")
    else:
        assert json.dumps(read.model_dump())
        if not isinstance(read, incoming.Visible):
            read.author.encode()  # nothing that cannot be stored or shown
            incoming.objection(read, ())


@given(sent=(JSON | LIKELY).map(json.dumps) | st.text() | st.binary())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_is_sent_the_socket_lives_or_says_why(
    show: House, sent: str | bytes
) -> None:
    page = await show.page()
    await (page.socket.send_bytes(sent) if isinstance(sent, bytes) else page.socket.send_str(sent))
    assert (await page.ask("say", author="A", text=""))["text"] == (
        "There is nothing to read in that."
    )
    await page.socket.close()


# --- coming and going -----------------------------------------------------------------------


async def test_a_page_that_reads_nothing_is_dropped_and_holds_up_nobody(
    show: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "GOODBYE_SECONDS", 0.2)
    quick = await show.page()
    reader, writer = await sleeper(show.url)
    long_text = "x" * 30_000
    for number in range(3000):
        show.platform._pages.tell(
            pages.frame({"type": "noise", "number": number, "text": long_text})
        )
        await quick.frame("noise")
        quick.seen.clear()
        if len(show.platform._pages) == 1:
            break
    # What waits for it here is bounded; the system itself may keep some megabytes.
    assert limits.FRAMES_WAITING < number < 2500
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await reader.read(2**20):
                pass
    writer.close()
    assert (await quick.ask("say", author="A", text="hi"))["ok"]


async def sleeper(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A page that is greeted and then reads nothing more."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    writer.write(
        f"GET /api/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    while b"hello" not in await reader.read(4096):
        pass
    return reader, writer


async def test_no_more_pages_than_there_is_room_for(
    show: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGES", 1)
    page = await show.page()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await show.page()
    assert refused.value.status == 503
    assert (await page.ask("say", author="A", text="hi"))["ok"]


async def test_a_page_that_is_hidden_or_gone_is_no_reader(show: House) -> None:
    assert not show.platform.is_read
    page = await show.page()
    assert show.platform.is_read
    await page.send("visible", visible=False)
    await page.ask("say", author="A", text="")
    assert not show.platform.is_read
    await page.send("visible", visible=True)
    await page.ask("say", author="A", text="")
    assert show.platform.is_read
    await page.socket.close()
    other = await show.page()
    await other.send("visible", visible=False)
    await other.ask("say", author="A", text="")
    assert not show.platform.is_read


async def test_pages_are_told_when_the_show_is_over(show: House) -> None:
    page = await show.page()
    loop = asyncio.get_running_loop()
    began = loop.time()
    show.playing.cancel()
    assert await page.close_code() == OVER
    await asyncio.wait([show.playing], timeout=PATIENCE_SECONDS)
    assert loop.time() - began < 2


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "://["])
async def test_pages_of_other_sites_get_no_socket(show: House, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await show.page(headers={"Origin": origin})
    assert refused.value.status == 403
    page = await show.page(headers={"Origin": show.url})
    assert page.seen[0]["type"] == "hello"
