"""The real program on the local Telegram: a show in a group, and the doctor."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from tests.local_telegram import Chat, LocalTelegram
from tests.orchestrator.telegram_house import House, house, local, quick

__all__ = ["house", "local", "quick"]  # fixtures

SECONDS = 90
SETTINGS = """
[conversation]
pause_seconds = 0.05
[limits]
lines_in_a_row = 3
[servers]
engine = "echo"
first_port = 0
[[stages]]
platform = "telegram"
token_env = "SHOW_TOKEN"
chat = {chat}
api_base = "{base}"
messages_per_minute = 0
private = true
people = [{person}]
"""


async def botconvo(house: House, *words: str) -> asyncio.subprocess.Process:
    """The command, in the folder of the house."""
    text = SETTINGS.format(chat=house.group.id, base=house.local.base, person=house.anna.id)
    (house.home / "settings.toml").write_text(text)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", *words, cwd=house.home,
        env={"PATH": "/usr/bin:/bin", "SHOW_TOKEN": house.bot.token},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def running_show(house: House) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await botconvo(house, "run", "--platform", "telegram")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def when(local: LocalTelegram, chat: Chat, count: int) -> None:
    await local.when(lambda: len(chat.of_bots()) >= count, f"{count} lines", SECONDS)


def environments(pid: int) -> list[dict[str, str]]:
    """Those of the process's children."""
    return [child.environ() for child in psutil.Process(pid).children(recursive=True)]


async def test_a_show_in_a_group_is_joined_steered_and_ended(house: House) -> None:
    local, group = house.local, house.group
    group.administrators = [house.anna]
    async with running_show(house) as show:
        await when(local, group, 4)  # three lines, and that they wait for somebody
        first = group.of_bots()[0]
        assert first.bold in ("Dex", "Juno", "Marlow", "Priya")
        assert all(house.bot.token not in str(env) for env in environments(show.pid))
        asked = local.says(house.anna, group, "Juno, what do you think of soup?")
        answer = await local.when(
            lambda: next((m for m in group.of_bots() if m.reply_to is asked), None), "an answer",
            SECONDS,
        )  # fmt: skip
        assert answer.bold == "Juno"
        await when(local, group, len(group.of_bots()) + 1)  # the answer is in the transcript
        local.says(house.sam, group, "/oops", reply_to=answer)
        await local.when(lambda: any("Sorry, /oops" in t for t in group.texts), "a word", SECONDS)
        assert answer in group.messages
        oops = local.says(house.anna, group, "/oops", reply_to=answer)
        await local.when(lambda: answer not in group.messages, "a line that goes", SECONDS)
        await local.when(
            lambda: any(m.reply_to is oops for m in group.of_bots()), "a word about it", SECONDS
        )
        alone = local.private(house.anna, house.bot)
        local.says(house.anna, alone, "and in private?")
        await when(local, alone, 1)
        show.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(show.communicate(), SECONDS)
    assert show.returncode == 0, err.decode()
    assert house.bot.token not in (out + err).decode()
    assert b"Traceback" not in err


async def test_a_show_without_its_group_ends_with_one_sentence(house: House) -> None:
    house.group.bots.clear()
    async with running_show(house) as show:
        _, err = await asyncio.wait_for(show.communicate(), SECONDS)
    assert show.returncode == 2
    [sentence] = [line for line in err.decode().splitlines() if "add it to the group" in line][-1:]
    assert "Traceback" not in err.decode()
    assert house.bot.token not in err.decode()
    assert "Chat not found" in sentence


async def findings(house: House, *words: str) -> list[tuple[str, str]]:
    process = await botconvo(house, "doctor", "telegram", "--json", *words)
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert house.bot.token not in (out + err).decode()
    found = json.loads(out)["findings"]
    return [(f["kind"], f"{f['text']}; {f['remedy']}") for f in found if f["subject"] == "telegram"]


async def test_the_doctor_looks_at_token_group_and_rights(house: House) -> None:
    found = await findings(house, "--post")
    assert {kind for kind, _ in found} == {"ok"}
    text = str(found)
    assert "@ConvoBot" in text
    assert "supergroup Friends" in text
    assert "privacy mode is off" in text
    assert "posted in Friends and deleted" in text
    assert house.group.texts == []
    house.bot.reads_all = False
    assert [kind for kind, text in await findings(house) if "/setprivacy" in text] == ["warning"]


async def test_the_doctor_finds_the_group_that_was_meant(house: House) -> None:
    real, house.group = house.group, Chat(-5, "group", "none")
    house.local.says(house.anna, real, "/start")
    [text] = [text for kind, text in await findings(house) if kind == "problem"]
    assert f"Friends is {real.id}" in text
    assert len(house.bot.updates) == 1  # a show will hear it all the same


async def test_the_doctor_tells_of_a_token_that_is_not_taken(house: House) -> None:
    house.bot.is_revoked = True
    [(kind, text)] = await findings(house)
    assert (kind, "@BotFather" in text) == ("problem", True)


async def test_without_a_stage_the_doctor_tells_the_way_to_one(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "doctor", "telegram", cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1
    assert b"/newbot" in out
    assert b"/setprivacy" in out
