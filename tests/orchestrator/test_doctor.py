"""`botconvo doctor`: every check on things that are in order, and on things that are not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_server.checkpoint_format import Manifest
from orchestrator.checks import Check, Finding, Patient
from orchestrator.checks import files as file_checks
from orchestrator.checks import friends as friend_checks
from orchestrator.checks import machine as machine_checks
from orchestrator.doctor import CHECKS, examined, line_of, summary
from orchestrator.transcript.file import SCHEMA_VERSION
from tests.conftest import ROOT, run_botconvo
from tests.model_server.running import running

DEX = ROOT / "orchestrator" / "demo" / "friends" / "dex"
ECHO = "[servers]\nengine = 'echo'\nfirst_port = 0\n"


def findings(check: Check, settings: str = "", *, is_deep: bool = False) -> list[Finding]:
    """Of one check on a settings file with this text, in the current folder."""
    Path("settings.toml").write_text(settings, encoding="utf-8")
    return list(examined(None, is_deep=is_deep, checks=[check]))


def only(check: Check, settings: str = "", *, is_deep: bool = False) -> Finding:
    [finding] = findings(check, settings, is_deep=is_deep)
    return finding


def friend(place: Path | str, name: str = "Dex", more: str = "") -> str:
    key = "url" if str(place).startswith("http") else "checkpoint"
    return f"[[friends]]\nname = '{name}'\n{key} = '{place}'\n{more}\n"


@pytest.fixture
def dex(tmp_path: Path) -> Path:
    shutil.copytree(DEX, tmp_path / "checkpoints" / "dex")
    return tmp_path / "checkpoints" / "dex"


def test_everything_is_in_order_where_nothing_was_changed(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(ECHO + friend(DEX))
    done = run_botconvo("doctor", "--deep")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    assert all(line.startswith(("ok: ", "warning: ")) for line in lines)
    assert lines[-1].startswith("ok: Dex: speaks, within ")
    assert last.startswith(("Everything is in order.", "No problems, "))
    assert not (tmp_path / "data" / "transcript.sqlite").exists()


def test_a_problem_makes_the_exit_code_one_and_json_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[[friends]]\nname = 'Ana May'\ncheckpoint = 'none'\n")
    done = run_botconvo("doctor", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    rows = json.loads(done.stdout)["findings"]
    assert {tuple(row) for row in rows} == {("kind", "subject", "text", "remedy")}
    problems = [(row["subject"], row["remedy"]) for row in rows if row["kind"] == "problem"]
    assert problems == [
        ("settings", "mend that first; some of the other checks need it"),
        ("Ana May", "train the friend again with: botconvo train 'Ana May'"),
    ]


def test_settings_that_are_named_and_not_there_are_a_mistake() -> None:
    done = run_botconvo("doctor", "--settings", "none.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "botconvo: none.toml: there is no such settings file.\n"


def test_a_check_that_fails_itself_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken(patient: Patient) -> Iterator[Finding]:
        yield Finding("ok", "first", "is told")
        raise RuntimeError("no spanner")

    checks = [broken, file_checks.corpus]
    found = list(examined(None, is_deep=False, checks=checks))
    assert [(f.kind, f.subject) for f in found] == [
        ("ok", "first"), ("problem", "broken"), ("ok", "corpus"),
    ]  # fmt: skip
    assert "no spanner" in found[1].text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("text", ["pause = 3", "[[[", "\x00", "[[friends]]\nname='A'\nurl=3"])
def test_settings_that_cannot_be_used_stop_no_check(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    checks = [check for check in CHECKS if check is not machine_checks.versions]
    found = list(examined(None, is_deep=True, checks=checks))
    [settings] = [finding for finding in found if finding.subject == "settings"]
    assert settings.kind == "problem"
    assert "\n" not in line_of(settings)
    assert {"disk", "transcript", "corpus"} <= {finding.subject for finding in found}
    assert not any("this check itself failed" in finding.text for finding in found)


def test_lines_and_their_sum() -> None:
    good, bad = Finding("ok", "disk", "57 GB"), Finding("problem", "Dex", "is ill", "call a doctor")
    assert line_of(good) == "ok: disk: 57 GB."
    assert line_of(bad) == "problem: Dex: is ill; call a doctor."
    assert summary([good]) == "Everything is in order."
    assert summary([good, bad]) == "1 problem, no warnings."


# --- checkpoints ----------------------------------------------------------------------------


def test_a_checkpoint_in_order_is_told_with_its_size(dex: Path) -> None:
    assert only(friend_checks.checkpoints, friend(dex)) == Finding(
        "ok", "Dex", f"{dex}: step 61, 6.3 million weights, q8_0"
    )


def test_a_gguf_file_that_changed_by_one_byte_is_noticed(dex: Path) -> None:
    with (dex / "model-q8_0.gguf").open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([byte[0] ^ 1]))
    finding = only(friend_checks.checkpoints, friend(dex))
    assert finding.kind == "problem"
    assert "is damaged or was replaced" in finding.text


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("hparams.json", None, "has no hparams.json"),
        ("encoder.json", "{", "cannot be read"),
        ("vocab.bpe", "#\nab cd\n", "is not in encoder.json"),
        ("botconvo.json", '{"step": "many"}', "step"),
        ("model-q8_0.gguf", None, "no such file"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_a_problem(
    dex: Path, file: str, content: str | None, words: str
) -> None:
    Path("settings.toml").write_text(friend(dex))
    if content is None:
        (dex / file).unlink()
    else:
        (dex / file).write_text(content)
    [finding] = examined(None, is_deep=False, checks=[friend_checks.checkpoints])
    assert finding.kind == "problem"
    assert words in finding.text
    assert "botconvo" in finding.remedy


def test_a_conversion_older_than_the_training_is_a_warning(dex: Path) -> None:
    Manifest.read(dex).model_copy(update={"step": 99}).write(dex)
    finding = only(friend_checks.checkpoints, friend(dex))
    assert finding.kind == "warning"
    assert "is of training step 61, and the friend is at 99" in finding.text


def test_a_folder_without_a_fast_model_is_told_by_what_it_holds(dex: Path) -> None:
    Manifest.read(dex).model_copy(update={"gguf": None}).write(dex)
    assert only(friend_checks.checkpoints, friend(dex)).kind == "ok"
    (dex / "model-q8_0.gguf").unlink()
    assert only(friend_checks.checkpoints, friend(dex)).text == f"{dex} holds no model"
    (dex / "checkpoint").write_text('model_checkpoint_path: "model-1"')
    finding = only(friend_checks.checkpoints, friend(dex))
    assert (finding.kind, finding.remedy) == (
        "warning", f"make it with: botconvo convert {dex}",
    )  # fmt: skip


def test_with_deep_a_friend_who_cannot_speak_is_a_problem(dex: Path) -> None:
    (dex / "encoder.json").write_text("{}")
    found = findings(friend_checks.speaking, ECHO + friend(DEX, "Ana") + friend(dex), is_deep=True)
    assert [(finding.subject, finding.kind) for finding in found] == [
        ("Ana", "ok"), ("Dex", "problem"),
    ]  # fmt: skip
    assert "Dex's model server did not start" in found[1].text
    found = findings(friend_checks.speaking, ECHO + friend(dex), is_deep=True)
    assert [finding.kind for finding in found] == ["problem"]
    assert findings(friend_checks.speaking, ECHO + friend(dex)) == []


# --- servers elsewhere ----------------------------------------------------------------------


def test_a_server_elsewhere_is_asked_who_it_is(tmp_path: Path) -> None:
    with running(tmp_path / "log", DEX, "--engine", "echo") as real:
        settings = friend(real.url) + friend("http://127.0.0.1:1", "Ana")
        dex, ana = findings(friend_checks.remote_servers, settings)
    assert dex == Finding(
        "ok", "Dex", f"{real.url} serves Dex, step 61; version 1 of the interface"
    )  # fmt: skip
    assert ana.kind == "problem"
    assert ana.text.startswith("http://127.0.0.1:1 does not answer (")


# --- this machine ---------------------------------------------------------------------------


def test_a_taken_port_is_told_with_who_has_it(dex: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        fixed = only(machine_checks.ports, friend(dex, more=f"port = {port}"))
        assert fixed.kind == "problem"
        assert f"{port}, which is Dex's, is taken by process {os.getpid()} (" in fixed.text
        first = only(machine_checks.ports, f"[servers]\nfirst_port = {port}\n{friend(dex)}")
        assert first.kind == "warning"
    assert only(machine_checks.ports, friend(dex, more=f"port = {port}")).kind == "ok"


def test_memory_and_disk_are_told_in_figures(dex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = only(machine_checks.memory, friend(dex))
    assert finding.kind == "ok"
    assert finding.text.startswith("1 of 1 friends fit into ")
    assert "GB free for " in only(machine_checks.disk).text
    monkeypatch.setattr(machine_checks, "LITTLE_DISK_BYTES", 10**18)
    assert only(machine_checks.disk).kind == "warning"
    monkeypatch.setattr(machine_checks, "NO_DISK_BYTES", 10**18)
    assert only(machine_checks.disk).kind == "problem"


def test_versions_name_this_python_and_the_packages() -> None:
    python, *packages = findings(machine_checks.versions)
    assert sys.executable in python.text
    told = " ".join(finding.text for finding in packages)
    assert "aiohttp" in told
    assert "pydantic" in told


# --- files ----------------------------------------------------------------------------------


def test_a_phrase_is_found_with_the_pipeline_of_the_settings() -> None:
    assert only(friend_checks.phrases).kind == "ok"
    none = only(friend_checks.phrases, "[phrases]\npipeline = 'xx_none'")
    assert none.kind == "problem"
    assert "xx_none" in none.text


def database(path: Path, version: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        f"CREATE TABLE lines (text); PRAGMA user_version = {version};"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        "INSERT INTO lines SELECT 'line ' || i FROM n;"
    )
    connection.close()
    return path


@pytest.mark.parametrize(
    ("check", "name"),
    [(file_checks.transcript, "transcript.sqlite"), (file_checks.corpus, "corpus.sqlite")],
)
def test_a_database_is_looked_into_and_not_changed(tmp_path: Path, check: Check, name: str) -> None:
    path = tmp_path / "data" / name
    assert only(check).text.startswith("none yet")
    database(path, SCHEMA_VERSION)
    before = path.read_bytes()
    assert only(check).kind == "ok"
    assert path.read_bytes() == before
    path.write_bytes(before[:4096] + b"\xff" * 4096 + before[8192:])
    assert only(check).kind == "problem"
    path.write_bytes(b"what is this?" * 1000)
    assert "file is not a database" in only(check).text
    path.unlink()
    database(path, 0)
    assert "another program's" in only(check).text


def test_a_transcript_of_another_version_is_told_apart(tmp_path: Path) -> None:
    path = database(tmp_path / "data" / "transcript.sqlite", SCHEMA_VERSION + 1)
    newer = only(file_checks.transcript)
    assert (newer.kind, "newer version" in newer.text) == ("problem", True)
    path.unlink()
    database(path, 1)
    assert only(file_checks.transcript).kind == "ok"


def test_a_secret_in_the_settings_is_refused_and_never_shown() -> None:
    secrets = {
        "token": "hunter2-hunter2",
        "api_key": "hunter2",
        "discord_token": "hunter2",
        "remark": "123456789:AAhunter2hunter2hunter2hunter2hunter2",
    }
    for key, value in secrets.items():
        finding = only(file_checks.secrets, f"[[stages]]\nplatform = 'x'\n{key} = '{value}'")
        assert (finding.kind, finding.subject) == ("problem", "secrets")
        assert f"stages[0].{key}" in finding.text
        assert "hunter2" not in line_of(finding)
    for line in ("token_env = 'DISCORD_TOKEN'", "color = 'red'", "top_k = 3", "token = ''"):
        assert only(file_checks.secrets, f"[x]\n{line}").kind == "ok"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_token_file_must_be_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = "[[stages]]\nplatform = 'x'\ntoken_file = 'keys/discord'"
    file = tmp_path / "keys" / "discord"
    assert "no such file" in only(file_checks.secrets, settings).text
    file.parent.mkdir()
    file.touch(mode=0o600)
    assert "is empty" in only(file_checks.secrets, settings).text
    file.write_text("hunter2")
    assert only(file_checks.secrets, settings).kind == "ok"
    for mode in (0o640, 0o604, 0o644):
        file.chmod(mode)
        finding = only(file_checks.secrets, settings)
        assert finding.kind == "problem"
        assert finding.remedy.startswith("mend that with: chmod 600 ")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    assert only(file_checks.secrets, settings).kind == "ok"
