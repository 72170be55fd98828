"""Model servers beside gpt-2-simple, on a 124M model with random weights.

Each figure is of processes of its own, with its target beside it where it has one. Only the
engine without HTTP and the server take turns, since their ratio is a matter of a few percent.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median

from random_checkpoint import bytes_per_token, make_checkpoint
from serving_load import Load, Server, drive
from serving_peers import (
    SLOTS,
    TOKENS,
    Calls,
    EngineAlone,
    alone,
    gpt_2_simple_calls,
    llama_cpp_python_calls,
    read_speed,
    transformers_calls,
)

FRIENDS = 8
REQUESTS_OF_A_ROUND, REQUESTS_OF_EACH_CLIENT = 8, 4
"""At least."""
SHORT_TOKENS = 4
WARM_UP_REQUESTS = 100
LATENCY_CLIENTS = (1, 4, 16)
ECHO_CONNECTIONS = (1, 8, 32)
ECHO_SHARE = 20
"""Requests to the echo engine for each one to the model."""


@dataclass(slots=True)
class Bench:
    """Where and how much to measure, and what later parts compare with."""

    work: Path
    threads: int
    calls: int
    rounds: int
    requests: int
    growth_requests: int
    peer: Calls | None = None
    limit: float | None = None

    @property
    def folder(self) -> Path:
        return self.work / "friend0"

    def serve(self, *options: str) -> Server:
        return Server(self.folder, "--threads", str(self.threads), *options)


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


def row(
    name: str, value: float, unit: str, *, at_least: float | None = None,
    at_most: float | None = None,
) -> None:  # fmt: skip
    target = ""
    if at_least is not None:
        target = f"at least {at_least:g}: {'met' if value >= at_least else 'MISSED'}"
    elif at_most is not None:
        target = f"at most {at_most:g}: {'met' if value <= at_most else 'MISSED'}"
    print(f"  {name:<52} {value:10.2f} {unit:<14} {target}".rstrip(), flush=True)


# --- the parts ----------------------------------------------------------------------------


def peers(bench: Bench) -> None:
    title(f"Peers, messages of {TOKENS} tokens one after the other, threads: {bench.threads}")
    bench.peer = alone(gpt_2_simple_calls, bench.folder, bench.calls)
    _peer_rows("gpt-2-simple", bench.peer, bench.calls)
    if find_spec("transformers") and find_spec("torch"):
        for dtype in ("float32", "bfloat16"):
            found = alone(transformers_calls, bench.calls, bench.threads, dtype)
            _peer_rows(f"Transformers, {dtype}", found, bench.calls)
    else:
        print("  Transformers and PyTorch are not installed: skipped")
    if find_spec("llama_cpp"):
        found = alone(llama_cpp_python_calls, bench.folder, bench.calls, bench.threads)
        _peer_rows("llama-cpp-python", found, bench.calls)
    else:
        print("  llama-cpp-python is not installed: skipped")


def _peer_rows(name: str, found: Calls, calls: int) -> None:
    row(f"{name}, median of {calls} calls", found.median, "tokens/s")
    row(f"{name}, call {calls}", found.last, "tokens/s")
    row(f"{name}, memory at the end", found.megabytes, "MB")
    row(f"{name}, growth per call", found.growth_per_call, "MB")


def bandwidth(bench: Bench) -> None:
    title("Memory bandwidth, and the limit it sets to one request at a time")
    size = bytes_per_token(bench.folder)
    row("weights read per token", size / 1e6, "MB")
    for threads in sorted({1, bench.threads}):
        speed = alone(read_speed, threads)
        bench.limit = max(bench.limit or 0, speed / size)
        row(f"reading, threads: {threads}", speed / 1e9, "GB/s")
        row(f"limit, threads: {threads}", speed / size, "tokens/s")


def speed(bench: Bench) -> None:
    title(
        f"Our speed, {bench.rounds} rounds of engine and server in turn, threads: {bench.threads}"
    )
    with EngineAlone(bench.folder, bench.threads) as engine, bench.serve() as server:
        server.wait_until_ready()
        _speed_rows(bench, engine, server, at_once=1, least_ratio=8)
        _speed_rows(bench, engine, server, at_once=SLOTS, least_ratio=12)


def _speed_rows(
    bench: Bench, engine: EngineAlone, server: Server, *, at_once: int, least_ratio: int
) -> None:
    requests = max(REQUESTS_OF_A_ROUND, at_once * REQUESTS_OF_EACH_CLIENT)
    direct: list[float] = []
    served: list[float] = []
    for turn in range(bench.rounds + 1):
        first = engine.tokens_per_second(at_once=at_once, requests=requests)
        load = drive(server.url, clients=at_once, requests=requests, max_tokens=TOKENS)
        if turn:  # the first warms up
            direct.append(first)
            served.append(load.tokens_per_second)
    name = f"{at_once} at once"
    row(f"engine alone, {name}, median", median(direct), "tokens/s")
    row(f"engine alone, {name}, best", max(direct), "tokens/s")
    row(f"server, {name}, median", median(served), "tokens/s")
    row(f"server, {name}, best", max(served), "tokens/s")
    share = median(over / bare for over, bare in zip(served, direct, strict=True))
    row(f"server / engine alone, {name}, median", 100 * share, "%", at_least=95)
    if at_once == 1 and bench.limit:
        row("server / bandwidth limit", 100 * median(served) / bench.limit, "%")
    if bench.peer:
        ratio = median(served) / bench.peer.median
        row(f"server / gpt-2-simple's median, {name}", ratio, "times", at_least=least_ratio)
        row(f"server / gpt-2-simple's last, {name}", median(served) / bench.peer.last, "times")


def latency(bench: Bench) -> None:
    title(f"Latency of a {TOKENS}-token message, {bench.requests} requests each")
    with bench.serve() as server:
        server.wait_until_ready()
        drive(server.url, clients=SLOTS, requests=SLOTS, max_tokens=TOKENS)
        for clients in LATENCY_CLIENTS:
            load = drive(server.url, clients=clients, requests=bench.requests, max_tokens=TOKENS)
            row(f"clients: {clients}, p50", 1000 * load.percentile(0.5), "ms")
            row(f"clients: {clients}, p99", 1000 * load.percentile(0.99), "ms")
            _say_refused(load)


def eight(bench: Bench) -> None:
    title(f"{FRIENDS} servers of different checkpoints, started together, 1 thread each")
    folders = [bench.work / f"friend{number}" for number in range(FRIENDS)]
    with ExitStack() as stack, ThreadPoolExecutor(FRIENDS) as pool:
        servers = [stack.enter_context(Server(folder, "--threads", "1")) for folder in folders]
        ends = list(pool.map(_first_line, servers))
        row("every one ready", max(ready for ready, _ in ends) - servers[0].began, "s")
        row(
            f"every one has given {TOKENS} tokens", max(end for _, end in ends) - servers[0].began,
            "s", at_most=6,
        )  # fmt: skip
        for server in servers:
            drive(server.url, clients=SLOTS, requests=3 * SLOTS, max_tokens=SHORT_TOKENS)
        sizes = [server.memory().pss for server in servers]
    row("PSS per server, mean", mean(sizes), "MB")
    row("PSS per server, largest", max(sizes), "MB", at_most=220)


def _first_line(server: Server) -> tuple[float, float]:
    """When the server was ready and when it had answered, by the clock of `began`."""
    ready = server.began + server.wait_until_ready()
    load = drive(server.url, clients=1, requests=1, max_tokens=TOKENS)
    return ready, ready + load.seconds


def growth(bench: Bench) -> None:
    requests = bench.growth_requests
    title(f"Memory over {requests} requests of {SHORT_TOKENS} tokens, {SLOTS} at once")
    with bench.serve() as server:
        server.wait_until_ready()
        fresh = server.memory()
        drive(server.url, clients=SLOTS, requests=WARM_UP_REQUESTS, max_tokens=SHORT_TOKENS)
        before = server.memory()
        drive(server.url, clients=SLOTS, requests=requests, max_tokens=SHORT_TOKENS)
        after = server.memory()
    row("PSS when ready", fresh.pss, "MB")
    row(f"its growth over the first {WARM_UP_REQUESTS} requests", before.pss - fresh.pss, "MB")
    row(f"its growth over the next {requests}", after.pss - before.pss, "MB", at_most=5)
    row(f"growth of RSS over the same {requests}", after.rss - before.rss, "MB", at_most=5)


def ready(bench: Bench) -> None:
    title("Ready after start")
    seconds: list[float] = []
    for _ in range(bench.rounds):
        with bench.serve() as server:
            seconds.append(server.wait_until_ready())
    row(f"median of {bench.rounds} starts", median(seconds), "s", at_most=1.5)
    row("slowest", max(seconds), "s")


def echo(bench: Bench) -> None:
    requests = bench.requests * ECHO_SHARE
    title(f"The server's own ceiling: echo engine, {requests} requests each")
    with bench.serve("--engine", "echo") as server:
        server.wait_until_ready()
        for connections in ECHO_CONNECTIONS:
            load = drive(
                server.url, clients=connections, requests=requests, max_tokens=SHORT_TOKENS
            )
            row(f"connections: {connections}", load.requests_per_second, "requests/s")
            _say_refused(load)


def _say_refused(load: Load) -> None:
    if load.refused:
        print(f"  {load.refused} requests were refused with 429 or 503")


PARTS: dict[str, Callable[[Bench], None]] = {
    "bandwidth": bandwidth,
    "peer": peers,
    "speed": speed,
    "latency": latency,
    "eight": eight,
    "growth": growth,
    "ready": ready,
    "echo": echo,
}


# --- the whole ----------------------------------------------------------------------------


def prepare(work: Path, chosen: list[str]) -> None:
    """Makes the checkpoints that the chosen parts need."""
    work.mkdir(parents=True, exist_ok=True)
    friends = FRIENDS if "eight" in chosen else 1
    for number in range(friends):
        alone(make_checkpoint, work / f"friend{number}", number, number == 0)


def parts_of(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(PARTS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of model servers.")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keeps the checkpoints there")
    parser.add_argument(
        "--only", type=parts_of, default=list(PARTS), metavar="PART,...",
        help=f"of {', '.join(PARTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="all cores")
    parser.add_argument("--calls", type=int, default=20, help="to a peer (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--growth-requests", type=int, default=2000, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        print(f"Making 124M checkpoints with random weights in {work} ...", flush=True)
        prepare(work, options.only)
        bench = Bench(
            work, options.threads, options.calls, options.rounds, options.requests,
            options.growth_requests,
        )  # fmt: skip
        for name, part in PARTS.items():
            if name in options.only:
                part(bench)


if __name__ == "__main__":
    main()
