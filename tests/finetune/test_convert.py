"""Checkpoint to GGUF and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.convert import gguf_file, read_gguf
from finetune.errors import BadBaseModel
from finetune.graph import latest_checkpoint, read_weights
from model_server.checkpoint_format import Manifest, Sizes
from tests.conftest import run_botconvo


@pytest.mark.parametrize(("kind", "tolerance"), [("f32", 0.0), ("f16", 1e-3), ("q8_0", 2e-3)])
def test_weights_survive_the_way_there_and_back(
    checkpoints: Path, tmp_path: Path, kind: str, tolerance: float
) -> None:
    folder = shutil.copytree(checkpoints / "marlow", tmp_path / "marlow")
    done = run_botconvo("convert", folder, "--type", kind)
    assert done.returncode == 0, done.stderr
    prefix = latest_checkpoint(folder)
    assert prefix is not None
    before = read_weights(prefix)
    after = read_gguf(folder / gguf_file(kind), Sizes.read(folder))  # type: ignore[arg-type]  # a Literal
    assert before.keys() == after.keys()
    for name, weights in before.items():
        np.testing.assert_allclose(after[name], weights, atol=tolerance, err_msg=name)


def test_a_folder_that_gpt_2_simple_wrote_gets_a_manifest_with_its_markers(
    checkpoints: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoints / "marlow", tmp_path / "run1")
    (folder / "botconvo.json").unlink()
    assert run_botconvo("convert", folder).returncode == 0
    manifest = Manifest.read(folder)
    assert (manifest.style, manifest.prompt_prefix, manifest.stop) == (
        "monologue", "<|startoftext|>", "<|endoftext|>",
    )  # fmt: skip
    assert manifest.gguf is not None
    assert manifest.step > 0


def test_what_is_missing_is_named(tmp_path: Path, models: Path) -> None:
    done = run_botconvo("convert", "nowhere")
    assert (done.returncode, "no such checkpoint folder" in done.stderr) == (2, True)
    (tmp_path / "x.gguf").write_bytes(b"GGUF rubbish")
    with pytest.raises(BadBaseModel, match="no usable GPT-2"):
        read_gguf(tmp_path / "x.gguf", Sizes.read(models / "tiny"))
