"""Where friends' servers are and who can speak, with real servers here and elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model_server import wire
from model_server.checkpoint_format import Manifest
from orchestrator.cast import read_show
from orchestrator.errors import ModelServerDown, NobodySpeaks, OrchestratorError
from orchestrator.forget import _remove_logs
from orchestrator.servers import Servers, Times, launches
from orchestrator.servers.client import Candidate, Deadlines, ModelClient
from orchestrator.servers.launch import Patience, log_file
from orchestrator.servers.remote import PollingPauses
from tests.conftest import HANGS_AFTER_SECONDS, ROOT, run_botconvo
from tests.model_server.running import running

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
QUICK = Times(
    patience=Patience(first_delay_seconds=0.01, bench_seconds=60),
    deadlines=Deadlines(sign_of_life_seconds=0.2, about_seconds=2.0),
    pauses=PollingPauses(0.05, 0.1),
)


def write_settings(tmp_path: Path, **friends: str | Path) -> Path:
    """Settings with these friends, each a checkpoint folder or the URL of a server."""
    text = "[servers]\nengine = 'echo'\nfirst_port = 0\n"
    for name, place in friends.items():
        key = "checkpoint" if isinstance(place, Path) else "url"
        text += f"[[friends]]\nname = '{name}'\n{key} = '{place}'\n"
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


@asynccontextmanager
async def servers_of(
    tmp_path: Path, times: Times = QUICK, waits_for_all: bool = True, **friends: str | Path
) -> AsyncIterator[Servers]:
    show = read_show(write_settings(tmp_path, **friends))
    async with (
        aiohttp.ClientSession() as session,
        Servers(
            show, session, random.Random(1), waits_for_all=waits_for_all, times=times
        ) as servers,
    ):
        yield servers


async def until(servers: Servers, is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANGS_AFTER_SECONDS):
        while not is_true():
            await servers.changed.wait()


async def draw(client: ModelClient) -> list[Candidate]:
    return await client.candidates(
        (), speaker="Dex", phrase="soup", begin_with_phrase=True, sampling=wire.Sampling(n=1)
    )


def broken_checkpoint(tmp_path: Path) -> Path:
    shutil.copytree(DEX, tmp_path / "broken")
    (tmp_path / "broken" / "vocab.bpe").unlink()
    return tmp_path / "broken"


async def test_all_local_friends_can_speak_once_inside(tmp_path: Path) -> None:
    async with servers_of(tmp_path, Ana=DEX, Bo=DEX) as servers:
        assert servers.able() == {"Ana", "Bo"}
        assert servers.notice is None
        assert servers.manifest_of("Ana") == Manifest.read(DEX)
        client = await servers.client_of("Bo")
        assert servers.state("Bo").text == f"Bo's model server answers at {client.url}."
        assert await draw(client)


async def test_a_hung_server_is_noticed_by_its_request_and_replaced(tmp_path: Path) -> None:
    async with servers_of(tmp_path, Ana=DEX, Bo=DEX) as servers:
        client = await servers.client_of("Ana")
        pid = (await ready_pids(servers))["Ana"]
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ModelServerDown, match="does not answer within 2 seconds"):
            await draw(client)
        await until(servers, lambda: "Ana" not in servers.able())
        assert "it hung" in servers.state("Ana").text
        assert await draw(await servers.client_of("Bo"))
        assert await draw(await servers.client_of("Ana"))
        assert (await ready_pids(servers))["Ana"] != pid


def at_once(asking: Coroutine[Any, Any, object]) -> None:
    """Fails if it waits for anything before it is done."""
    with contextlib.closing(asking):
        waits_for = asking.send(None)
    pytest.fail(f"it waits for {waits_for}")


async def ready_pids(servers: Servers) -> dict[str, int]:
    pids = {}
    for name, server in servers._supervisor.servers.items():
        await server.when_ready()
        assert server.pid is not None
        pids[name] = server.pid
    return pids


async def test_an_old_clients_bad_news_does_not_kill_the_successor(tmp_path: Path) -> None:
    async with servers_of(tmp_path, Ana=DEX) as servers:
        old = await servers.client_of("Ana")
        before = (await ready_pids(servers))["Ana"]
        os.kill(before, signal.SIGKILL)
        await until(servers, lambda: "Ana" not in servers.able())
        await until(servers, lambda: "Ana" in servers.able())
        after = (await ready_pids(servers))["Ana"]
        old._on_down("nothing came", True)
        assert await draw(await servers.client_of("Ana"))
        assert (await ready_pids(servers))["Ana"] == after != before


async def test_one_friend_who_cannot_start_does_not_keep_others_from_playing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with servers_of(tmp_path, Ana=DEX, Bo=broken_checkpoint(tmp_path)) as servers:
        assert servers.able() == {"Ana"}
        assert servers.state("Bo").kind == "benched"
        with pytest.raises(ModelServerDown, match="Bo's model server did not start"):
            at_once(servers.client_of("Bo"))
    assert "vocab.bpe" in caplog.text


async def test_a_show_need_not_wait_for_a_friend_who_loads_for_ever(tmp_path: Path) -> None:
    times = Times(grace_seconds=0.05, patience=QUICK.patience)
    show = read_show(write_settings(tmp_path, Ana=DEX, Bo=DEX))
    async with aiohttp.ClientSession() as session:
        servers = Servers(show, session, random.Random(1), waits_for_all=False, times=times)
        bo = servers._supervisor.servers["Bo"]
        bo.launch = replace(bo.launch, program=("sh", "-c", "cat"))  # says nothing, ends with us
        async with servers:
            assert servers.able() == {"Ana"}
            assert servers.state("Bo").kind == "starting"
            waiting = asyncio.create_task(servers.client_of("Bo"))
            assert await draw(await servers.client_of("Ana"))
            assert not waiting.done()
            waiting.cancel()


@pytest.mark.parametrize("is_broken", [False, True])
async def test_if_nobody_can_start_it_matters_whether_the_user_can_mend_that(
    tmp_path: Path, is_broken: bool
) -> None:
    show = read_show(write_settings(tmp_path, Ana=DEX, Bo=DEX))
    times = Times(patience=Patience(ready_seconds=0.1, restarts=0, bench_seconds=3600))
    async with aiohttp.ClientSession() as session:
        servers = Servers(show, session, random.Random(1), times=times)
        for name, server in servers._supervisor.servers.items():
            # One says nothing and ends with us, the other says that it cannot begin.
            text = "exit 2" if is_broken and name == "Bo" else "exec cat"
            server.launch = replace(server.launch, program=("sh", "-c", text))
        with pytest.raises(OrchestratorError, match="not ready within") as caught:
            async with servers:
                pass
    assert isinstance(caught.value, NobodySpeaks) == (not is_broken)


async def test_if_nobody_can_start_each_ones_sentence_is_said(tmp_path: Path) -> None:
    broken = broken_checkpoint(tmp_path)
    with pytest.raises(OrchestratorError) as caught:
        async with servers_of(tmp_path, Ana=broken, Bo=broken, Cy="http://127.0.0.1:1"):
            pass
    ana, bo, cy = str(caught.value).splitlines()
    assert ana.startswith("Ana's model server did not start: ")
    assert bo.startswith("Bo's model server did not start: ")
    assert cy.startswith("Cy's model server cannot be used: http://127.0.0.1:1 does not answer")


async def test_a_server_elsewhere_tells_its_manifest_and_is_polled_only_while_it_is_down(
    tmp_path: Path,
) -> None:
    healths = 0

    async def health(request: web.Request) -> web.StreamResponse:
        nonlocal healths
        healths += 1
        return await through(request)

    async def through(request: web.Request) -> web.StreamResponse:
        async with session.request(
            request.method, f"{real.url}{request.path}", data=await request.read()
        ) as response:
            return web.Response(
                status=response.status, body=await response.read(),
                content_type=response.content_type,
            )  # fmt: skip

    app = web.Application()
    app.router.add_get(wire.HEALTH_PATH, health)
    app.router.add_route("*", "/{path:.*}", through)
    with running(tmp_path / "log", DEX, "--engine", "echo") as real:
        async with aiohttp.ClientSession() as session, TestServer(app) as front:
            url = str(front.make_url("/"))
            async with servers_of(tmp_path, Dex=url) as servers:
                assert servers.able() == {"Dex"}
                told = servers.manifest_of("Dex")
                assert (told.step, told.statistics) == (
                    Manifest.read(DEX).step,
                    Manifest.read(DEX).statistics,
                )
                client = await servers.client_of("Dex")
                for _ in range(5):
                    assert await draw(client)
                assert healths == 1


async def test_a_server_elsewhere_that_goes_away_is_skipped_until_it_is_back(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "log", DEX, "--engine", "echo") as real:
        port = urlsplit(real.url).port
        async with servers_of(tmp_path, Dex=real.url) as servers:
            client = await servers.client_of("Dex")
            real.process.kill()
            real.process.wait()
            with pytest.raises(ModelServerDown):
                await draw(client)
            assert servers.able() == set()
            assert servers.state("Dex").kind == "unreachable"
            with pytest.raises(ModelServerDown, match="Dex's model server cannot be used"):
                at_once(servers.client_of("Dex"))
            [launch] = launches(read_show(write_settings(tmp_path, Dex=DEX)))
            successor = await asyncio.create_subprocess_exec(
                *launch.command(), "--port", str(port), stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                await until(servers, lambda: servers.able() == {"Dex"})
                assert await draw(await servers.client_of("Dex"))
            finally:
                successor.kill()
                await successor.wait()


async def test_a_server_that_is_not_botconvos_is_said_plainly(tmp_path: Path) -> None:
    async def hello(request: web.Request) -> web.StreamResponse:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hello)
    async with TestServer(app) as other:
        with pytest.raises(OrchestratorError, match="is no BotConvo model server; mend the"):
            async with servers_of(tmp_path, Dex=str(other.make_url("/"))):
                pass


async def test_a_server_elsewhere_that_loads_is_no_failure(tmp_path: Path) -> None:
    status: dict[str, Any] = {"status": "loading", "model": "Dex"}

    async def health(request: web.Request) -> web.StreamResponse:
        return web.json_response(status, status=200 if status["status"] == "ok" else 503)

    async def models(request: web.Request) -> web.StreamResponse:
        card = wire.ModelCard(id="Dex", created=1, botconvo={"speaker": "Dex", "step": 3})
        return web.json_response(wire.ModelList(data=[card]).model_dump())

    app = web.Application()
    app.router.add_get(wire.HEALTH_PATH, health)
    app.router.add_get(wire.MODELS_PATH, models)
    async with (
        TestServer(app) as other,
        servers_of(tmp_path, Dex=str(other.make_url("/"))) as servers,
    ):
        assert servers.state("Dex").kind == "starting"
        status["status"] = "ok"
        await until(servers, lambda: "Dex" in servers.able())
        assert servers.manifest_of("Dex").step == 3


@pytest.mark.parametrize("name", ["../../out", "a/b", "🐌" * 80, "nul\\x", "Ana: ö?"])
def test_whatever_a_friend_is_called_the_log_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    async def start() -> frozenset[str]:
        async with servers_of(tmp_path, **{name: DEX}) as servers:
            return servers.able()

    logs = tmp_path / "data" / "logs"
    assert asyncio.run(start()) == {name}
    assert [path.parent for path in tmp_path.rglob("*.log")] == [logs]
    assert not list(tmp_path.parent.glob("*.log"))
    assert _remove_logs(logs, [name.upper()]) != []
    assert not list(logs.iterdir())


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_names_and_words_need_no_locale_that_has_their_letters(tmp_path: Path) -> None:
    path = write_settings(tmp_path, **{"Jörg": DEX})
    with path.open("a", encoding="utf-8") as file:
        file.write("[generation]\nbanned_words = ['schön', '食べ']\n")
    done = run_botconvo("run", "--lines", 1, "--fast", env={**os.environ, **ASCII})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Jörg: ")
    [log] = (tmp_path / "data" / "logs").iterdir()
    assert log.name == "Jörg.log"


def test_no_two_friends_share_a_log(tmp_path: Path) -> None:
    names = ["a/b", "a\\b", "a_b", "x" * 50, "x" * 51]
    assert len({log_file(tmp_path, name) for name in names}) == len(names)
