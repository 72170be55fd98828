"""Local model servers as processes: real ones, real signals, and programs that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.servers.launch import Launch, Patience, last_line
from orchestrator.servers.memory import cost_of
from orchestrator.servers.process import Server, _Death
from orchestrator.servers.supervisor import Supervisor
from tests.conftest import AT_ONCE_SECONDS, HANGS_AFTER_SECONDS, ROOT

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
PLENTY = 10**12
QUICK = Patience(first_delay_seconds=0.01, bench_seconds=0.05, longest_bench_seconds=0.2)
READY = """
import json, sys
print(json.dumps({"ready": {"url": "http://127.0.0.1:1"}}), flush=True)
sys.stdin.read()
"""


def launch(tmp_path: Path, name: str = "Dex", **changes: Any) -> Launch:
    settings: dict[str, Any] = {
        "name": name, "checkpoint": DEX, "port": 0, "engine": "echo", "threads": 1,
        "log_file": tmp_path / "logs" / f"{name}.log",
    }  # fmt: skip
    return Launch(**settings | changes)


def program(text: str) -> tuple[str, ...]:
    """A program in place of the model server."""
    return (sys.executable, "-c", textwrap.dedent(text))


class Watched:
    """A supervisor, with a way to await what becomes of its servers."""

    def __init__(self, launches: list[Launch], patience: Patience = QUICK, **more: Any) -> None:
        self.changed = asyncio.Event()
        self.kinds: dict[str, list[str]] = {launch.name: [] for launch in launches}
        self._last: dict[str, object] = {}
        more.setdefault("free", lambda: PLENTY)
        self.supervisor = Supervisor(
            launches, random.Random(1), changed=self._note, patience=patience, **more
        )

    def _note(self) -> None:
        for name, server in self.supervisor.servers.items():
            if server.state is not self._last.get(name):
                self._last[name] = server.state
                self.kinds[name].append(server.state.kind)
        self.changed.set()

    def server(self, name: str = "Dex") -> Server:
        return self.supervisor.servers[name]

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANGS_AFTER_SECONDS):
            while not is_true():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watched(launches: list[Launch], **more: Any) -> AsyncIterator[Watched]:
    watch = Watched(launches, **more)
    async with watch.supervisor:
        yield watch


async def test_a_killed_server_has_a_successor_that_answers(tmp_path: Path) -> None:
    async with watched([launch(tmp_path)]) as watch:
        server = watch.server()
        url = await server.when_ready()
        first = server.pid
        assert first is not None
        psutil.Process(first).kill()
        await watch.until(lambda: server.state.kind == "restarting")
        assert "it was killed" in server.state.text
        assert await server.when_ready() != url
        assert server.pid != first
        last = server.pid
    assert not psutil.pid_exists(first)
    assert last is not None
    assert not psutil.pid_exists(last)


async def test_a_process_without_a_ready_line_is_killed_in_time(tmp_path: Path) -> None:
    silent = launch(tmp_path, program=program("import sys; sys.stdin.read()"))
    patience = Patience(ready_seconds=0.3, restarts=0, bench_seconds=60)
    async with watched([silent], patience=patience) as watch:
        server = watch.server()
        with pytest.raises(OrchestratorError, match="it was not ready within"):
            await server.when_ready()
        assert server.state.kind == "benched"
        assert server.pid is not None
        assert not psutil.pid_exists(server.pid)


@pytest.mark.parametrize(
    "line", ["'hello'", "'[1]'", "'{}'", "'{\"ready\": 3}'", "'x' * 200_000", "'[' * 50_000"]
)
async def test_another_first_line_is_no_ready_line(tmp_path: Path, line: str) -> None:
    odd = launch(
        tmp_path, program=program(f"import sys; print({line}, flush=True); sys.stdin.read()")
    )
    async with watched([odd], patience=Patience(restarts=0, bench_seconds=60)) as watch:
        with pytest.raises(OrchestratorError, match="printed something else"):
            await watch.server().when_ready()


async def test_a_server_that_keeps_dying_is_benched_with_its_last_words_and_tried_again(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    dying = launch(
        tmp_path,
        program=program(f"""
            import sys
            with open({str(starts)!r}, "a") as file: file.write("x")
            if len(open({str(starts)!r}).read()) < 5:
                print("first words", file=sys.stderr)
                sys.exit("botconvo: the disk is on fire.")
            {textwrap.indent(READY, " " * 12)}
            """),
    )
    patience = Patience(first_delay_seconds=0.01, restarts=2, bench_seconds=0.05)
    async with watched([dying], patience=patience) as watch:
        server = watch.server()
        await watch.until(lambda: server.state.kind == "benched")
        assert server.state.text == "Dex's model server did not start: the disk is on fire."
        assert len(starts.read_text()) == 3
        await watch.until(lambda: server.state.kind == "ready")
        assert len(starts.read_text()) == 5
        assert watch.kinds["Dex"] == [
            "restarting", "restarting", "benched", "starting", "benched", "starting", "ready",
        ]  # fmt: skip


def test_every_restart_waits_longer_and_the_bench_doubles_up_to_an_hour(tmp_path: Path) -> None:
    watch = Watched([launch(tmp_path)], patience=Patience())
    server = watch.server()
    delays = [server._after(_Death("why", 1, 0.5)) for _ in range(16)]
    for place, delay in enumerate(delays[:6]):
        assert 0.5 <= delay / (0.2 * 2**place) <= 1.0
    assert delays[6:] == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert server.state.kind == "benched"
    assert server._after(_Death("why", 1, 61)) <= 0.2  # it had been well for a minute


async def test_a_mistake_is_not_tried_again_and_again(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(DEX, broken)
    (broken / "hparams.json").write_text('{"n_ctx": 3}', encoding="utf-8")
    async with watched([launch(tmp_path, checkpoint=broken)], patience=Patience()) as watch:
        with pytest.raises(OrchestratorError, match=r"did not start: .*hparams\.json: no usable"):
            await watch.server().when_ready()
        assert watch.kinds["Dex"] == ["benched"]


async def test_a_server_whose_port_is_taken_comes_once_it_is_free(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        watch = Watched([launch(tmp_path, port=port)])
        await watch.supervisor.__aenter__()
        try:
            await watch.until(lambda: watch.server().state.kind == "benched")
            assert f"Port {port} on 127.0.0.1 cannot be used" in watch.server().state.text
            other.close()
            await watch.until(lambda: watch.server().state.kind == "ready")
            assert watch.server().url == f"http://127.0.0.1:{port}"
        finally:
            await watch.supervisor.__aexit__(None, None, None)


async def test_a_program_or_a_log_that_cannot_be_opened_is_a_death_like_any_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder.log").mkdir()
    none = launch(tmp_path, "None", program=(str(tmp_path / "nothing"),))
    folder = launch(tmp_path, "Folder", log_file=tmp_path / "folder.log")
    patience = Patience(restarts=0, bench_seconds=60)
    async with watched([none, folder], patience=patience) as watch:
        with pytest.raises(OrchestratorError, match="No such file"):
            await watch.server("None").when_ready()
        with pytest.raises(OrchestratorError, match="Is a directory"):
            await watch.server("Folder").when_ready()


def test_last_words_are_the_last_line_that_is_no_news_of_ordinary_work(tmp_path: Path) -> None:
    log = tmp_path / "Dex.log"
    lines = [
        "earlier life",
        '{"level": "error", "event": "the model is ill"}',
        '{"level": "info", "event": "request"}',
        "",
    ]
    log.write_text("\n".join(lines))
    assert last_line(log, 0) == "the model is ill"
    assert last_line(log, log.stat().st_size) == ""
    assert last_line(tmp_path / "none", 0) == ""
    log.write_bytes(b"[" * 100_000)
    assert last_line(log, 0) == "[" * 300
    log.write_bytes(b"\xff\xfe broken")
    assert last_line(log, 0).endswith(" broken")


@pytest.mark.parametrize("cores", [1, 2])
async def test_no_more_load_at_once_than_there_are_cores(tmp_path: Path, cores: int) -> None:
    loads = tmp_path / "loads"
    slow = f"""
        import os, time
        def note(mark):
            file = os.open({str(loads)!r}, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
            os.write(file, mark)
        note(b"+")
        time.sleep(0.15)
        note(b"-")
        {textwrap.indent(READY, " " * 8)}
        """
    names = ["A", "B", "C", "D", "E"]
    launches = [launch(tmp_path, name, program=program(slow)) for name in names]
    async with watched(launches, cores=cores) as watch:
        for name in names:
            await watch.server(name).when_ready()
    running = most = 0
    for mark in loads.read_text():
        running += 1 if mark == "+" else -1
        most = max(most, running)
    assert most == cores


async def test_those_who_fit_into_memory_start_and_the_others_wait_for_room(
    tmp_path: Path,
) -> None:
    need = cost_of(DEX, "echo").memory_bytes
    memory = [2 * need + need // 2]
    launches = [launch(tmp_path, name, program=program(READY)) for name in ("Ana", "Bo", "Cy")]
    servers: list[Server] = []

    def free() -> int:
        return memory[0] - need * sum(server.state.kind == "ready" for server in servers)

    async with watched(launches, free=free) as watch:
        servers.extend(watch.supervisor.servers.values())
        assert watch.supervisor.notice == (
            "2 of 3 friends fit into 0.2 GB of free memory: Ana, Bo; close programs, or name fewer "
            "friends in settings.toml."
        )
        assert watch.server("Cy").state.kind == "does not fit"
        with pytest.raises(OrchestratorError, match=r"Cy needs 0\.06 GB of memory"):
            await watch.server("Cy").when_ready()
        for name in ("Ana", "Bo"):
            await watch.server(name).when_ready()
        assert watch.server("Cy").state.kind == "does not fit"
        memory[0] = PLENTY
        await watch.until(lambda: watch.server("Cy").state.kind == "ready")


async def test_a_server_whose_memory_others_took_meanwhile_waits_for_room(tmp_path: Path) -> None:
    memory = [PLENTY]
    async with watched([launch(tmp_path, program=program(READY))], free=lambda: memory[0]) as watch:
        await watch.server().when_ready()
        memory[0] = 0
        pid = watch.server().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await watch.until(lambda: watch.server().state.kind == "does not fit")
        assert watch.server().pid == pid  # nothing was started in its place
        memory[0] = PLENTY
        await watch.until(lambda: watch.server().state.kind == "ready")
    assert watch.kinds["Dex"] == ["ready", "restarting", "does not fit", "starting", "ready"]


async def test_where_nobody_fits_nobody_starts(tmp_path: Path) -> None:
    async with watched([launch(tmp_path)], free=lambda: 1_000_000) as watch:
        assert watch.supervisor.notice == (
            "No friend fits into 0.00 GB of free memory; Dex needs 0.06 GB: close programs, or "
            "train on a smaller base model."
        )
        assert watch.server().pid is None


async def test_a_server_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = launch(
        tmp_path,
        program=program("""
            import json, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(json.dumps({"ready": {"url": "http://127.0.0.1:1"}}), flush=True)
            time.sleep(1000)
            """),
    )
    async with watched([deaf]) as watch:
        await watch.server().when_ready()
        pid = watch.server().pid
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert pid is not None
    assert not psutil.pid_exists(pid)


SHOW = """
import asyncio, random, sys
from pathlib import Path
from orchestrator.servers.launch import Launch
from orchestrator.servers.supervisor import Supervisor

async def main():
    names = ["Ana", "Bo"]
    launches = [
        Launch(name, Path(sys.argv[1]), 0, "echo", 1, Path(f"{name}.log")) for name in names
    ]
    async with Supervisor(launches, random.Random(1), cores=2) as supervisor:
        if sys.argv[2] == "ready":
            for name in names:
                await supervisor.servers[name].when_ready()
        print("begun", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("when", "how"),
    [("starting", signal.SIGINT), ("starting", signal.SIGKILL), ("ready", signal.SIGKILL)],
)
def test_no_server_outlives_the_orchestrator(when: str, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SHOW, DEX, when],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert when == "starting" or len(of_session(process.pid)) == 3
        began = time.monotonic()
        process.send_signal(how)
        try:
            process.wait(timeout=HANGS_AFTER_SECONDS)
        finally:
            process.kill()
        took = time.monotonic() - began
    if how == signal.SIGINT:
        assert took < AT_ONCE_SECONDS
        assert of_session(process.pid) == []
    _, alive = psutil.wait_procs(of_session(process.pid), timeout=AT_ONCE_SECONDS)
    assert alive == []


def of_session(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


async def test_a_port_that_somebody_took_since_it_was_chosen_costs_no_friend(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        patience = Patience(bench_seconds=3600, restarts=0)
        meant = launch(tmp_path, port=port, takes_any_port=True)
        async with watched([meant], patience=patience) as watch:
            server = watch.server()
            await asyncio.wait_for(server.tried.wait(), HANGS_AFTER_SECONDS)
            assert watch.kinds["Dex"] == ["ready"]
            assert not (await server.when_ready()).endswith(f":{port}")
