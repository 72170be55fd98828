"""What is free and what a server takes, from files as the kernel and the trainer write them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psutil
import pytest

from orchestrator.servers.memory import Room, cost_of, free_bytes, gigabytes
from tests.conftest import ROOT

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
MB = 1_000_000


def group(folder: Path, limit: str, used: int, stat: str, version: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    limit_file, used_file = (
        ("memory.max", "memory.current") if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )  # fmt: skip
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / used_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(stat)


def test_a_containers_limit_counts_less_what_is_used_and_cannot_be_given_back(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    own.write_text("0::/app\n")
    stat = f"anon 1\ninactive_file {10 * MB}\nactive_file {5 * MB}\n"
    group(tmp_path / "app", str(100 * MB), 70 * MB, stat, version=2)
    assert free_bytes(tmp_path, own) == 40 * MB


def test_a_limit_further_up_counts_too_and_max_is_none(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/user.slice/show.service\n")
    group(tmp_path / "user.slice/show.service", "max", 50 * MB, "inactive_file 0\n", version=2)
    group(tmp_path / "user.slice", str(80 * MB), 60 * MB, "inactive_file 0\n", version=2)
    assert free_bytes(tmp_path, own) == 20 * MB


def test_the_older_kind_of_group_inside_a_container_is_found_at_the_top(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("9:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n")
    group(tmp_path / "memory", str(64 * MB), 60 * MB, f"total_inactive_file {MB}\n", version=1)
    assert free_bytes(tmp_path, own) == 5 * MB


def test_more_than_the_limit_leaves_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/\n")
    group(tmp_path, str(10 * MB), 12 * MB, "inactive_file 0\n", version=2)
    assert free_bytes(tmp_path, own) == 0


def test_without_groups_it_is_what_the_system_calls_available(tmp_path: Path) -> None:
    free = free_bytes(tmp_path, tmp_path / "none")
    assert 0.5 < free / psutil.virtual_memory().available < 2


@pytest.mark.parametrize(
    ("engine", "least_mb", "most_mb"),
    [("echo", 50, 80), ("auto", 70, 90), ("tensorflow", 600, 900)],
)
def test_a_demo_friend_takes_about_what_was_measured(
    engine: str, least_mb: int, most_mb: int
) -> None:
    # Proportional set sizes: 51 MB with echo, 74 MB with llama.cpp.
    assert least_mb <= cost_of(DEX, engine).memory_bytes / MB <= most_mb


def test_a_124m_friend_takes_about_what_was_measured(tmp_path: Path) -> None:
    sizes = {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}
    (tmp_path / "hparams.json").write_text(json.dumps(sizes))
    assert 2900 <= cost_of(tmp_path, "auto").memory_bytes / MB <= 3300  # measured: 3,100
    with (tmp_path / "model-q8_0.gguf").open("wb") as file:
        file.truncate(136 * MB)
    cost = cost_of(tmp_path, "auto")
    assert cost.file_bytes == 136 * MB
    assert 230 <= cost.memory_bytes / MB <= 280  # measured: 235


def test_a_folder_that_cannot_be_read_costs_a_bare_server(tmp_path: Path) -> None:
    assert cost_of(tmp_path / "none", "auto") == cost_of(DEX, "echo")
    shutil.copytree(DEX, tmp_path / "odd")
    (tmp_path / "odd" / "hparams.json").write_text("{")
    assert cost_of(tmp_path / "odd", "auto").file_bytes == 0


def test_memory_is_not_promised_twice() -> None:
    room = Room(lambda: 10)
    assert room.take("Ana", 6)
    assert not room.take("Bo", 6)
    assert room.take("Cy", 4)
    room.give_back("Ana")
    assert room.take("Bo", 6)


def test_little_memory_is_not_called_none() -> None:
    assert [gigabytes(n * MB) for n in (12, 99, 1100, 18_900)] == [
        "0.01 GB", "0.10 GB", "1.1 GB", "18.9 GB",
    ]  # fmt: skip
