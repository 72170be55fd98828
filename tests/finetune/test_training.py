"""Training with the real graph: what is written, who can read it, and that it goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from finetune.loop import Plan, read_progress
from model_server.checkpoint_format import Codec, Manifest, Sizes
from tests.conftest import run_botconvo

GPT_2_SIMPLE = """
import sys, warnings
warnings.simplefilter("ignore")
import gpt_2_simple as gpt2
session = gpt2.start_tf_sess()
gpt2.load_gpt2(session, run_name="marlow", checkpoint_dir=sys.argv[1])
texts = gpt2.generate(session, run_name="marlow", checkpoint_dir=sys.argv[1], length=12,
                      prefix="Dex: LISTEN\\nMarlow:", return_as_list=True, top_k=5)
print("TEXT", repr(texts[0]))
"""


def test_gpt_2_simple_loads_and_continues_a_checkpoint_unchanged(checkpoints: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GPT_2_SIMPLE, str(checkpoints)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    [line] = [li for li in done.stdout.splitlines() if li.startswith("TEXT")] or [done.stderr]
    assert line.startswith("TEXT 'Dex: LISTEN\\nMarlow:")
    assert len(line) > len("TEXT 'Dex: LISTEN\\nMarlow:'") + 5


def test_a_base_model_has_the_files_of_gpt_2_simples_download(models: Path) -> None:
    names = {path.name for path in (models / "tiny").iterdir()}
    assert names >= {
        "checkpoint", "encoder.json", "hparams.json", "model.ckpt.data-00000-of-00001",
        "model.ckpt.index", "model.ckpt.meta", "vocab.bpe",
    }  # fmt: skip
    assert Sizes.read(models / "tiny") == Sizes(500, 64, 64, 2, 2)
    assert len(Codec.read(models / "tiny")) == 500


def test_the_manifest_says_what_a_friend_was_trained_on(checkpoints: Path) -> None:
    manifest = Manifest.read(checkpoints / "marlow")
    assert (manifest.friend, manifest.style, manifest.stop) == ("Marlow", "dialogue", "\n")
    assert set(manifest.known_speakers) == {"Marlow", "Priya", "Dex", "Juno"}
    assert manifest.base is not None
    assert manifest.base.name == "tiny"
    assert 700 < manifest.trained_on.messages < 896
    assert 0 < manifest.bits_per_byte["held_out"] < 8
    assert sum(manifest.statistics["active_hours"]) == manifest.trained_on.messages
    assert manifest.gguf is not None
    assert (checkpoints / "marlow" / manifest.gguf.file).is_file()


def train(folder: Path, models: Path, corpus_file: Path, *more: object) -> list[str]:
    return [
        sys.executable, "-m", "finetune", "train", "Dex", "--base", "tiny", "--models",
        str(models), "--corpus", str(corpus_file), "--checkpoints", str(folder),
        "--threads", "1", *map(str, more),
    ]  # fmt: skip


def test_a_killed_run_goes_on_to_the_same_weights(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    options = ("--steps", 40, "--save-every", 0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(train(whole, models, corpus_file, *options), check=True, capture_output=True)

    process = subprocess.Popen(train(killed, models, corpus_file, *options), stderr=subprocess.PIPE)
    while (progress := read_progress(killed / "dex")) is None or progress.step < 5:
        assert process.poll() is None
        time.sleep(0.02)  # the file appears when the run saves; there is no event to await
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stopped_at = read_progress(killed / "dex")
    assert stopped_at is not None
    assert 5 <= stopped_at.step < 40

    subprocess.run(train(killed, models, corpus_file, *options), check=True, capture_output=True)
    from finetune.graph import latest_checkpoint, read_weights

    ends = [latest_checkpoint(folder / "dex") for folder in (whole, killed)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].name == ends[1].name
    first, second = (read_weights(end) for end in ends)
    assert first.keys() == second.keys()
    for name, weights in first.items():
        np.testing.assert_allclose(weights, second[name], atol=2e-4, err_msg=name)


def test_ctrl_c_saves_and_the_same_command_goes_on(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    command = train(tmp_path, models, corpus_file, "--steps", 5000, "--save-every", 0)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while (progress := read_progress(tmp_path / "dex")) is None:
        assert process.poll() is None
        time.sleep(0.02)  # as above
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Next: the same command goes on from there." in errors
    saved = read_progress(tmp_path / "dex")
    assert saved is not None
    assert saved.step >= progress.step
    command[command.index("5000")] = str(saved.step + 3)
    subprocess.run(command, check=True, capture_output=True)
    after = read_progress(tmp_path / "dex")
    assert after is not None
    assert after.step == saved.step + 3


def test_a_monologue_friend_and_a_pooled_one_can_be_trained(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    own_models = shutil.copytree(models, tmp_path / "models")
    for style, more in (("monologue", []), ("dialogue", ["--pool"])):
        done = run_botconvo(
            "train", "Juno", "--base", "tiny", "--style", style, "--steps", 6, *more,
            "--models", own_models, "--corpus", corpus_file, "--checkpoints", style, "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        [row] = json.loads(done.stdout)
        assert row["friend"] == "Juno"
    assert Manifest.read(Path("monologue/juno")).prompt_prefix == "<|startoftext|>"
    base = Manifest.read(Path("dialogue/juno")).base
    assert base is not None
    assert base.name == "everybody"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Bort"], "Nobody called 'Bort' is in this corpus"),
        (["Marlow", "--base", "giant"], "There is no base model 'giant'"),
        ([], "Name the friends to train, or give --all"),
    ],
)
def test_a_wrong_wish_is_answered_with_one_sentence(
    corpus_file: Path, arguments: list[str], sentence: str
) -> None:
    done = run_botconvo("train", *arguments, "--corpus", corpus_file)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("checkpoints").exists()


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Plan(steps=100, rate=1.0, warmup_steps=10, decay_share=0.4)
    rates = [plan.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == rates[59] == 1.0
    assert rates[-1] == pytest.approx(1 / 40)
    assert rates == sorted(rates[:60]) + sorted(rates[60:], reverse=True)


def test_estimates_grow_with_the_model(corpus_file: Path) -> None:
    rows = {
        base: json.loads(
            run_botconvo(
                "train", "Dex", "--estimate", "--json", "--base", base, "--corpus", corpus_file
            ).stdout
        )[0]
        for base in ("124M", "355M")
    }
    for key in ("seconds", "memory_bytes", "disk_bytes"):
        assert rows["355M"][key] > 1.5 * rows["124M"][key] > 0
    assert not Path("checkpoints").exists()
