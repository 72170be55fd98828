"""Training runs of other versions: what cannot go on says so, and nothing of it is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from finetune.errors import FinetuneError
from finetune.training.run_folder import read_progress, run_to_go_on
from tests.conftest import ROOT

FIRST_FORM = ROOT / "tests" / "older" / "progress_of_first_form.json"
"""As the first code that trained wrote it: without the settings of the run."""
OTHERWISE = "give another --out, or begin anew with --restart"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    shutil.copy(FIRST_FORM, tmp_path / "training" / "progress.json")
    (tmp_path / "model-20.index").write_bytes(b"weights")
    return tmp_path


def test_where_an_older_run_stood_is_read(folder: Path) -> None:
    progress = read_progress(folder)
    assert progress is not None
    assert (progress.step, progress.best_step, progress.best) == (20, 20, 2.9)


def test_an_older_run_that_cannot_go_on_says_so_and_is_left_alone(folder: Path) -> None:
    with pytest.raises(FinetuneError, match=r"run of an older BotConvo.*--restart"):
        run_to_go_on(folder, {"base": "tiny", "seed": 1}, OTHERWISE)
    assert (folder / "training" / "progress.json").read_bytes() == FIRST_FORM.read_bytes()
    assert (folder / "model-20.index").read_bytes() == b"weights"


def test_a_newer_run_is_no_damaged_one(folder: Path) -> None:
    file = folder / "training" / "progress.json"
    newer = json.loads(FIRST_FORM.read_text(encoding="utf-8")) | {"mood": "good"}
    file.write_text(json.dumps(newer), encoding="utf-8")
    with pytest.raises(FinetuneError, match=r"written by a newer BotConvo \(it has mood\)"):
        read_progress(folder)
