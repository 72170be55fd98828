"""`botconvo clone`: from an export to trained friends, without editing anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANGS_AFTER_SECONDS, SAMPLE_CHAT, run_botconvo

MESSAGES = 480
NO_NETWORK = {**os.environ, "https_proxy": "http://127.0.0.1:9", "CUDA_VISIBLE_DEVICES": "-1"}


def test_a_layman_gets_from_an_export_to_the_show(tmp_path: Path) -> None:
    # A part of the sample chat: what takes longest is reading the held-out messages.
    export = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
    export["messages"] = export["messages"][:MESSAGES]
    Path("chat.json").write_text(json.dumps(export), encoding="utf-8")
    answers = "x 9\n2, priya\n\n"
    done = subprocess.run(
        [
            sys.executable, "-m", "orchestrator", "clone", "chat.json", "--minutes", "0.01",
            "--no-show",
        ],
        input=answers, text=True, capture_output=True, check=False, timeout=600, env=NO_NETWORK,
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


def test_who_wrote_in_two_chat_programs_is_offered_once(tmp_path: Path) -> None:
    messages = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))["messages"][:MESSAGES]
    lines = [
        f"2/{1 + n % 28}/24, {n % 24:02}:{n % 60:02} - {m['author']['nickname']}: {m['content']}\n"
        for n, m in enumerate(messages)
        if "\n" not in m["content"]
    ]
    Path("WhatsApp Chat with Sofa.txt").write_text("".join(lines), encoding="utf-8")
    arguments = ["clone", str(SAMPLE_CHAT), "WhatsApp Chat with Sofa.txt", "--base", "demo"]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments], input="y\nn\ny\ny\n", text=True,
        capture_output=True, check=False, timeout=600, env=NO_NETWORK,
    )  # fmt: skip
    assert done.stdout.count("have the same name. Are they one person? [Y/n]") == 4, done.stderr
    assert done.stdout.count("To take it back: botconvo friends split") == 3
    listed = done.stdout.partition("Who is in it:")[2].partition("Whom to clone?")[0]
    assert sum("(whatsapp)" in line for line in listed.splitlines()) == 1
    assert len(listed.split("\n")) == 7, listed


def test_a_merge_that_fails_is_said_in_a_sentence(tmp_path: Path) -> None:
    export = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
    export["messages"] = export["messages"][:12]
    Path("chat.json").write_text(json.dumps(export), encoding="utf-8")
    name = export["messages"][0]["author"]["nickname"]
    Path("WhatsApp Chat with Sofa.txt").write_text(
        "".join(f"2/{day}/24, 12:00 - {name}: hello {day}\n" for day in range(1, 9)),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "orchestrator", "clone", "chat.json"]
    with subprocess.Popen(
        [*command, "WhatsApp Chat with Sofa.txt", "--base", "demo"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        asked = ""
        while not asked.endswith("Are they one person? [Y/n] "):
            sign = running.stdout.read(1)
            assert sign, asked
            asked += sign
        Path("data/corpus.sqlite").write_text("no database " * 99, encoding="utf-8")
        _, said = running.communicate("y\n", timeout=HANGS_AFTER_SECONDS)
    assert running.returncode == 2
    *why, last = said.splitlines()
    assert last.endswith("They could not be merged; see above for why.")
    assert "data/corpus.sqlite" in "".join(why)
    assert "Traceback" not in said


def test_names_that_the_systems_language_has_no_signs_for_are_shown(tmp_path: Path) -> None:
    export = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
    for message in export["messages"]:
        message["author"]["nickname"] += " 🌙"
    Path("chat.json").write_text(json.dumps(export), encoding="utf-8")
    abroad = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_botconvo("clone", "chat.json", "--base", "demo", env=abroad, encoding="utf-8")
    assert "1  Marlow 🌙" in done.stdout, done.stderr
    listed = run_botconvo("friends", env=abroad, encoding="utf-8")
    assert "Marlow 🌙" in listed.stdout, listed.stderr


# Stands for the training, which takes its time to save what it has.
SAVING = """
import signal, sys, threading
asked = threading.Event()
signal.signal(signal.SIGINT, lambda *_: asked.set())
with open("begun", "w"):
    pass
asked.wait()
threading.Event().wait(1)
print("saved", flush=True)
sys.exit(130)
"""


def test_ctrl_c_waits_until_the_training_has_saved(tmp_path: Path) -> None:
    os.mkfifo("begun")
    text = (
        "import sys; from orchestrator import clone\n"
        f"clone._command = lambda *_: [sys.executable, '-c', {SAVING!r}]\n"
        "sys.exit(clone._left_to_it(['train']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, process_group=0
    ) as running:
        Path("begun").read_bytes()
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=300)
    assert (said, running.returncode) == ("saved\n", 130)


def test_what_an_import_cannot_do_is_said(tmp_path: Path) -> None:
    Path("data").mkdir()
    Path("data/corpus.sqlite").write_text("no database " * 99, encoding="utf-8")
    done = run_botconvo("clone", SAMPLE_CHAT, "--yes")
    assert done.returncode == 2
    assert "data/corpus.sqlite" in done.stderr
    assert "`botconvo import` did not work; see above for what to do." in done.stderr


@pytest.mark.parametrize("minutes", ["0", "nan", "soon"])
def test_minutes_that_are_none_are_refused_before_anything_is_read(minutes: str) -> None:
    done = run_botconvo("clone", SAMPLE_CHAT, "--minutes", minutes)
    assert done.returncode == 2
    assert f"argument --minutes: '{minutes}' is no number above 0" in done.stderr
    assert not Path("data").exists()


def test_without_anybody_to_answer_it_says_how_to_go_on(tmp_path: Path) -> None:
    done = run_botconvo("clone", SAMPLE_CHAT, "--base", "demo")
    assert done.returncode == 2
    assert "give --yes to take what is proposed" in done.stderr
