"""Manifests of other versions: an older one is read whole, a newer one refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from model_server.checkpoint_format import (
    MANIFEST_FILE,
    MANIFEST_SCHEMA,
    CheckpointError,
    Manifest,
)
from tests.conftest import ROOT, run_botconvo

OLDER = {1: ROOT / "tests" / "older" / "manifest_of_schema_1.json"}
"""As the first code that knew the schema wrote them."""
FRIENDS = ROOT / "orchestrator" / "demo" / "friends"


def test_there_is_one_of_every_schema() -> None:
    assert list(OLDER) == list(range(1, MANIFEST_SCHEMA + 1))


@pytest.mark.parametrize("schema", OLDER)
def test_an_older_manifest_is_read_whole(tmp_path: Path, schema: int) -> None:
    shutil.copy(OLDER[schema], tmp_path / MANIFEST_FILE)
    manifest = Manifest.read(tmp_path)
    assert (manifest.friend, manifest.step, manifest.window) == ("Ada", 20, 64)
    assert manifest.trained_on.messages == 3
    assert manifest.gguf is not None
    before = json.loads(OLDER[schema].read_text(encoding="utf-8"))
    manifest.write(tmp_path)
    after = json.loads((tmp_path / MANIFEST_FILE).read_text(encoding="utf-8"))
    assert _holds(after, before)


def _holds(new: object, old: object) -> bool:
    """Whether everything of the old is in the new, which may have more."""
    if isinstance(new, dict) and isinstance(old, dict):
        return all(key in new and _holds(new[key], value) for key, value in old.items())
    return new == old


def test_what_a_newer_version_added_without_a_new_schema_is_kept(tmp_path: Path) -> None:
    data = json.loads(OLDER[1].read_text(encoding="utf-8")) | {"mood": {"on": "Mondays"}}
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(data), encoding="utf-8")
    Manifest.read(tmp_path).write(tmp_path)
    assert json.loads((tmp_path / MANIFEST_FILE).read_text())["mood"] == {"on": "Mondays"}


def test_a_newer_manifest_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "dex"
    shutil.copytree(FRIENDS / "dex", folder)
    data = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    data |= {"schema": MANIFEST_SCHEMA + 1, "style": "telepathy"}
    (folder / MANIFEST_FILE).write_text(json.dumps(data), encoding="utf-8")
    told = run_botconvo("serve", folder, "--port", "0")
    assert (told.returncode, told.stdout) == (2, "")
    assert "was written by a newer BotConvo (schema 2); update this one" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("schema", [0, "one", None])
def test_what_is_no_schema_is_named(tmp_path: Path, schema: object) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({"schema": schema}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"botconvo\.json: schema: "):
        Manifest.read(tmp_path)
