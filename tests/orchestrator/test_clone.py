"""`botconvo clone`: from an export to trained friends, without editing anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import SAMPLE_CHAT, run_botconvo

MESSAGES = 480
NO_NETWORK = {**os.environ, "https_proxy": "http://127.0.0.1:9", "CUDA_VISIBLE_DEVICES": "-1"}


def test_a_layman_gets_from_an_export_to_the_show(tmp_path: Path) -> None:
    # A part of the sample chat: what takes longest is reading the held-out messages.
    export = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
    export["messages"] = export["messages"][:MESSAGES]
    Path("chat.json").write_text(json.dumps(export), encoding="utf-8")
    answers = "x 9\n2 1\n\n"
    done = subprocess.run(
        [
            sys.executable, "-m", "orchestrator", "clone", "chat.json", "--minutes", "0.01",
            "--no-show",
        ],
        input=answers, text=True, capture_output=True, check=False, timeout=300, env=NO_NETWORK,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{MESSAGES} messages of The Wrong Sofa / general" in done.stdout
    assert "1  Priya (120 messages)" in done.stdout
    assert "Numbers from 1 to 4, please" in done.stdout
    assert "Base model: the small one that comes with BotConvo, instead of 124M:" in done.stdout
    assert "Training Marlow, Priya on this machine takes up to" in done.stdout
    assert done.stdout.count("Next: botconvo run") == 1
    assert sorted(p.name for p in Path("checkpoints").iterdir()) == ["marlow", "priya"]
    show = run_botconvo("run", "--lines", 4, "--seed", 1, "--fast")
    assert show.returncode == 0, show.stderr
    names = {line.partition(":")[0] for line in show.stdout.splitlines()}
    assert names == {"Marlow", "Priya"}


def test_a_wrong_file_stops_before_anything_is_written(tmp_path: Path) -> None:
    Path("letter.txt").write_text("Dear all", encoding="utf-8")
    done = run_botconvo("clone", "letter.txt", "--yes")
    assert done.returncode == 2
    assert "letter.txt is no chat export" in done.stdout + done.stderr
    assert not Path("data").exists()


def test_without_anybody_to_answer_it_says_how_to_go_on(tmp_path: Path) -> None:
    done = run_botconvo("clone", SAMPLE_CHAT, "--base", "demo")
    assert done.returncode == 2
    assert "give --yes to take what is proposed" in done.stderr
