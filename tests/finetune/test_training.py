"""Training with the real graph: what is written, who can read it, and that it goes on."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.loop import Plan
from finetune.run_folder import read_losses, read_progress
from model_server.checkpoint_format import Codec, Manifest, Sizes
from tests.conftest import run_botconvo
from tests.finetune.training_here import train_here

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


def begin(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for_save(process: subprocess.Popen[str], step: int) -> None:
    """Returns when the run has said that it saved this step, or a later one."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        found = re.search(r"step (\d+) saved", line)
        if found and int(found[1]) >= step:
            return
    raise AssertionError("".join(lines))


def test_a_run_killed_at_any_moment_goes_on_with_the_same_losses(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_here(corpus_file, models, whole, steps=30, save_every_seconds=0)
    command = train(killed, models, corpus_file, "--steps", 30, "--save-every", 0)

    process = begin(command)
    wait_for_save(process, 4)
    process.kill()
    process.communicate()
    first = read_progress(killed / "dex")
    assert first is not None
    assert 4 <= first.step < 30

    process = begin(command)
    wait_for_save(process, 10)
    state = killed / "dex" / "training"
    while not _is_saving(state, killed / "dex"):  # no event tells of the middle of a save
        assert process.poll() is None
    process.kill()
    process.communicate()
    second = read_progress(killed / "dex")
    assert second is not None
    assert 10 <= second.step < 30

    subprocess.run(command, check=True, capture_output=True)
    ends = [read_losses(folder) for folder in (whole, killed / "dex")]
    assert [done.step for done in ends[1]] == list(range(1, 31))
    for one, other in zip(*ends, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-3)
        assert one.rate == pytest.approx(other.rate)
    from finetune.graph import latest_checkpoint, read_weights

    prefixes = [latest_checkpoint(folder) for folder in (whole, killed / "dex")]
    assert prefixes[0] is not None
    assert prefixes[1] is not None
    assert prefixes[0].name == prefixes[1].name
    weights = read_weights(prefixes[1])
    for name, values in read_weights(prefixes[0]).items():
        np.testing.assert_allclose(values, weights[name], atol=5e-4, err_msg=name)


def _is_saving(state: Path, folder: Path) -> bool:
    """Whether the optimizer's state of a step is there whose progress is not written yet."""
    progress = read_progress(folder)
    assert progress is not None
    steps = [int(path.name.split("-")[1].split(".")[0]) for path in state.glob("optimizer-*")]
    return max(steps, default=0) > progress.step


def test_ctrl_c_saves_and_the_same_command_goes_on(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    process = begin(train(tmp_path, models, corpus_file, "--steps", 5000, "--save-every", 0))
    wait_for_save(process, 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Next: the same command goes on from there." in errors
    saved = read_progress(tmp_path / "dex")
    assert saved is not None
    assert Manifest.read(tmp_path / "dex").in_training
    done = train_here(corpus_file, models, tmp_path / "dex", steps=saved.step + 3)
    assert done.progress.step == saved.step + 3


def test_ctrl_c_before_the_first_step_leaves_at_once_and_nothing_behind(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    process = begin(train(tmp_path / "new", models, corpus_file, "--steps", 5000))
    assert process.stderr is not None
    assert "--pool lets it learn from everybody first" in process.stderr.readline()
    process.send_signal(signal.SIGINT)  # in the middle of loading or building
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("model-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit another process")
def test_a_save_that_finds_no_room_leaves_the_last_one_and_the_same_command_goes_on(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    import resource

    process = begin(train(tmp_path, models, corpus_file, "--steps", 5000, "--save-every", 0))
    wait_for_save(process, 2)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2000, 2000))  # bytes of a file
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    *_, last = errors.splitlines()
    saved = read_progress(tmp_path / "dex")
    assert saved is not None
    assert last.startswith("botconvo: ")
    assert f"The weights of step {saved.step} stay; make room there" in last
    assert not list(tmp_path.rglob("*tempstate*"))
    done = train_here(corpus_file, models, tmp_path / "dex", steps=saved.step + 2)
    assert done.progress.step == saved.step + 2


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
        (["Marlow", "Dex", "--out", "x"], "--out is the folder of one friend"),
        (["Dex", "--from", "x", "--pool"], "give one of them"),
        (["Dex", "--from", "nowhere"], "there is no such checkpoint folder"),
        (["Dex", "--minutes", "-3"], "'-3' is no number above 0"),
        (["Dex", "--keep", "best"], "'best' is no whole number from 1 on"),
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
    assert isinstance(rows["124M"]["has_gpu"], bool)
    for key in ("seconds", "memory_bytes", "disk_bytes"):
        assert rows["355M"][key] > 1.5 * rows["124M"][key] > 0
    assert not Path("checkpoints").exists()
