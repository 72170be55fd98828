"""A run as it goes on: resumed, refused, broken off, and what it shows meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import FinetuneError, TrainingBroke
from finetune.training.disk import disk_bytes, require_room
from finetune.training.loop import Plan
from finetune.training.loss_picture import draw_losses
from finetune.training.run_folder import (
    Progress,
    StepDone,
    delete_older,
    locked,
    read_losses,
    read_progress,
    weight_steps,
)
from model_server.checkpoint_format import CheckpointError, Manifest, Sizes
from tests.finetune.training_here import (
    Audience,
    begin,
    cleaned,
    tiny,
    train_command,
    train_here,
    wait_for_save,
)


def losses(folder: Path) -> list[float]:
    steps = read_losses(folder)
    assert [done.step for done in steps] == list(range(1, len(steps) + 1))
    return [done.loss for done in steps]


@pytest.fixture(scope="module")
def whole(
    models: Path, corpus_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Audience]:
    """Eight steps without a break, every step saved and the newest two kept."""
    folder, audience = tmp_path_factory.mktemp("whole"), Audience()
    train_here(corpus_file, models, folder, audience, save_every_seconds=0, keep=2)
    return folder, audience


def test_a_stopped_run_goes_on_with_the_same_losses_and_a_seed_gives_the_same_run(
    whole: tuple[Path, Audience], models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    stopped = train_here(corpus_file, models, tmp_path, Audience(stop_after=3))
    assert stopped.manifest is None
    assert losses(tmp_path) == pytest.approx(losses(whole[0])[:3], abs=2e-4)
    # What a kill in the middle of the next save leaves: half of some files, whole others.
    for name in ("model-4.data-00000-of-00001.tempstate77", "training/optimizer-4.index",
                 "model-4.index", "model-q8_0.gguf.part"):  # fmt: skip
        (tmp_path / name).write_bytes(b"torn")
    with (tmp_path / "training" / "losses.csv").open("a") as file:
        file.write("4,9.9,0.1,1,1\n5,9.")
    done = train_here(corpus_file, models, tmp_path)
    assert done.progress.finished
    assert losses(tmp_path) == pytest.approx(losses(whole[0]), abs=2e-4)
    assert 4 not in weight_steps(tmp_path)
    assert not list(tmp_path.rglob("*tempstate*"))
    again = Audience()
    assert train_here(corpus_file, models, tmp_path, again).manifest == done.manifest
    assert again.steps == []


DIES_BEFORE_IT_NOTES_STEP_1 = """
import os, signal, sys
from finetune.training import loop
from finetune.cli import main
write = loop.write_progress
def dies(folder, progress):
    if progress.step == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    write(folder, progress)
loop.write_progress = dies
main(sys.argv[1:])
"""


def test_a_run_killed_at_any_moment_goes_on_with_the_same_losses(
    whole: tuple[Path, Audience], models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    from finetune.bases.checkpoint_files import find_weights
    from finetune.training.graph import read_weights

    python, *command = train_command(tmp_path, models, corpus_file, "--steps", 8, "--save-every", 0)
    arguments = command[command.index("train") :]
    first = subprocess.run([python, "-c", DIES_BEFORE_IT_NOTES_STEP_1, *arguments], check=False)
    assert first.returncode == -signal.SIGKILL
    folder = tmp_path / "dex"
    assert weight_steps(folder) == [1]  # whole, and noted nowhere

    process = begin([python, *command])
    wait_for_save(process, 2)
    process.kill()
    process.communicate()
    killed = read_progress(folder)
    assert killed is not None
    assert 2 <= killed.step < 8

    assert train_here(corpus_file, models, folder).progress.finished
    assert losses(folder) == pytest.approx(losses(whole[0]), abs=1e-3)
    one, other = find_weights(whole[0]), find_weights(folder)
    assert one.name == other.name
    weights = read_weights(other)
    for name, values in read_weights(one).items():
        np.testing.assert_allclose(values, weights[name], atol=5e-4, err_msg=name)


def test_the_newest_weights_are_kept_and_one_optimizer_state(whole: tuple[Path, Audience]) -> None:
    folder, audience = whole
    assert audience.saves == list(range(1, 9))
    assert sorted(weight_steps(folder)) == [7, 8]
    states = {path.name.split(".")[0] for path in (folder / "training").glob("optimizer-*")}
    assert states == {"optimizer-8"}
    assert (folder / "counter").read_text() == "8\n"


def test_the_best_weights_stay_however_old(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    for step in (10, 20, 30, 40, 99):
        (tmp_path / f"model-{step}.index").touch()
    progress = Progress(step=40, best_step=10, saved=[10, 20, 30, 40])
    delete_older(tmp_path, progress, keep=2)
    assert sorted(weight_steps(tmp_path)) == [10, 30, 40]
    assert progress.saved == [10, 30, 40]


def test_a_friend_in_training_can_be_talked_with(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    from finetune.convert import read_gguf

    seen = []

    def look(step: int) -> None:
        manifest = Manifest.read(tmp_path)
        assert manifest.gguf is not None
        assert manifest.gguf.from_step == manifest.step == step
        assert manifest.in_training
        assert manifest.statistics["active_hours"]
        read_gguf(tmp_path / manifest.gguf.file, Sizes.read(tmp_path))
        files = [p for p in tmp_path.rglob("*") if p.is_file()]
        held = sum(path.stat().st_size for path in files)
        assert held < disk_bytes(Sizes.read(tmp_path), keep=5)
        seen.append(step)

    audience = Audience(when_saved=look)
    done = train_here(corpus_file, models, tmp_path, audience, steps=3, save_every_seconds=0)
    assert seen == [1, 2, 3]
    assert done.manifest == Manifest.read(tmp_path)
    assert not done.manifest.in_training
    assert audience.samples
    assert all(" | Dex: " in sample for sample in audience.samples)


def test_tensorboard_reads_one_curve_and_the_samples(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    from finetune.training.tensorflow_loading import tf, tf1

    train_here(corpus_file, models, tmp_path, Audience(stop_after=2))
    audience = Audience()
    train_here(corpus_file, models, tmp_path, audience, steps=5)
    files = sorted((tmp_path / "training" / "logs").iterdir())
    events = [event for path in files for event in tf1.train.summary_iterator(str(path))]
    values = [(event.step, value) for event in events for value in event.summary.value]
    curve = [(step, v.simple_value) for step, v in values if v.tag == "training/loss"]
    assert [step for step, _ in curve] == [1, 2, 3, 4, 5]
    assert [loss for _, loss in curve] == pytest.approx(losses(tmp_path), abs=1e-5)
    starts = [event.step for event in events if event.session_log.status]
    assert starts == [1, 3]
    [bits] = [v.simple_value for _, v in values if v.tag == "validation/bits_per_byte"]
    assert bits == pytest.approx(audience.validations[0][1], abs=1e-4)
    [text] = [tf.make_ndarray(v.tensor).item().decode() for _, v in values if v.tag == "sample"]
    assert text == audience.samples[0]


def test_the_curve_is_drawn(whole: tuple[Path, Audience]) -> None:
    picture = (whole[0] / "loss.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_a_name_with_emoji_is_drawn_without_a_word(tmp_path: Path) -> None:
    """matplotlib warned of it on the terminal, at the end of every training."""
    steps = [StepDone(1, 2.0, 0.1, 10, 1.0), StepDone(2, 1.5, 0.1, 10, 2.0)]
    draw_losses("Zoë 🙂, from demo", steps, Progress(), tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_fewer_threads_are_told_to_take_longer(
    models: Path, corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaving(Audience):
        def began(self, progress: Progress, plan: Plan, about: str) -> None:
            raise EOFError(about)

    def minutes(threads: int) -> int:
        with pytest.raises(EOFError, match="at most about") as left:
            train_here(corpus_file, models, tmp_path, Leaving(), steps=10**7, threads=threads)
        return int(str(left.value).partition("at most about ")[2].split()[0])

    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert minutes(1) == pytest.approx(4 * minutes(4), rel=0.05)


def test_a_run_with_other_settings_is_not_gone_on_with(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    train_here(corpus_file, models, tmp_path, Audience(stop_after=2))
    for settings, said in (
        ({"seed": 2}, "the seed was 1 and is now 2"),
        ({"style": "monologue"}, "the style was dialogue and is now monologue"),
        ({"friend": "Juno"}, "the friend was Dex and is now Juno"),
    ):
        with pytest.raises(FinetuneError, match=said) as caught:
            train_here(corpus_file, models, tmp_path, **settings)  # type: ignore[arg-type]  # a mixed table
        assert "--restart" in str(caught.value)
    old = read_progress(tmp_path)
    stopped = Audience(stop_after=0)
    train_here(corpus_file, models, tmp_path, stopped, seed=2, restart=True)
    assert read_progress(tmp_path) == old  # stopped before its first save, so the old one stays
    train_here(corpus_file, models, tmp_path, Audience(stop_after=1), seed=2, restart=True)
    new = read_progress(tmp_path)
    assert new is not None
    assert (new.step, new.settings["seed"], weight_steps(tmp_path)) == (1, 2, [1])


def test_weights_of_no_run_are_not_written_over(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "model-1000.index").write_bytes(b"somebody's")
    with pytest.raises(FinetuneError, match="holds weights of another run; give --restart"):
        train_here(corpus_file, models, tmp_path)
    assert (tmp_path / "model-1000.index").read_bytes() == b"somebody's"


def test_a_folder_is_one_process_s_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    hold = (
        "import sys\nfrom pathlib import Path\nfrom finetune.training.run_folder import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(FinetuneError, match="Another process is training in"), locked(tmp_path):
        pass
    process.kill()
    process.communicate()
    with locked(tmp_path):
        pass


def test_a_loss_that_explodes_ends_the_run_and_leaves_the_last_save(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    train_here(corpus_file, models, tmp_path, Audience(stop_after=2))
    with pytest.raises(TrainingBroke) as caught:
        train_here(corpus_file, models, tmp_path, steps=500, rate=1e20)
    assert "the weights of step 2 stay" in str(caught.value)
    assert "--rate 3e+19" in str(caught.value)
    kept = read_progress(tmp_path)
    assert kept is not None
    assert kept.step == 2
    assert train_here(corpus_file, models, tmp_path, steps=4).progress.step == 4


def test_the_rate_is_at_nothing_when_the_minutes_are_over(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    plan = Plan(steps=10**6, rate=1.0, decay_share=0.5, deadline_seconds=100)
    assert plan.rate_at(3, 5) == pytest.approx(0.5)
    assert plan.rate_at(3, 10) == plan.rate_at(900, 50) == 1.0
    assert plan.rate_at(900, 75) == pytest.approx(0.5)
    assert plan.rate_at(900, 100) == plan.rate_at(900, 101) == 0.0
    done = train_here(corpus_file, models, tmp_path, steps=10**6, minutes=0.02)
    assert done.progress.finished
    assert done.progress.seconds >= 1.2
    assert done.progress.validations[-1][0] == done.progress.step


def test_a_run_begins_with_any_step_of_any_checkpoint_folder(
    whole: tuple[Path, Audience], models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    from finetune.training.beginning import from_folder

    folder = whole[0]
    newest, seventh = from_folder(str(folder)), from_folder(f"{folder}:7")
    assert (newest.name, seventh.name) == (f"{folder.name}:8", f"{folder.name}:7")
    assert newest.hash() != seventh.hash()
    going_on = train_here(corpus_file, models, tmp_path, beginning=seventh, steps=1, rate=1e-9)
    # A rate of nothing leaves what step 7 was, which had learnt for seven steps.
    assert losses(tmp_path)[0] < losses(folder)[0] - 0.05
    assert going_on.manifest.base.name == f"{folder.name}:7"
    with pytest.raises(FinetuneError, match="no weights of step 3; there are 7, 8"):
        from_folder(f"{folder}:3")
    with pytest.raises(FinetuneError, match="no such checkpoint folder"):
        from_folder(str(tmp_path / "nowhere"))
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    for path in damaged.glob("*.data-*"):
        os.truncate(path, 1000)
    with pytest.raises(CheckpointError, match=r"The weights model-7 in .* are damaged"):
        from_folder(f"{damaged}:7")


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    giant = Sizes(50257, 1024, 1600, 25, 10**6)
    with pytest.raises(FinetuneError, match=r"needs [\d.]+ GB of disk and [\d.]+ .B are free"):
        require_room(tmp_path / "new" / "folder", giant, keep=5)
    assert not (tmp_path / "new").exists()
    small = Sizes(50257, 1024, 768, 12, 12)
    assert disk_bytes(small, keep=1) < 0.7 * disk_bytes(small, keep=5)


def test_the_prompt_of_the_samples_is_a_held_out_line_that_the_friend_answered(
    models: Path, corpus_file: Path
) -> None:
    from finetune.training.material import Material
    from model_server.checkpoint_format import Codec

    codec = Codec.read(tiny(models).folder)
    material = Material.of(cleaned(corpus_file), "Dex", codec, "dialogue")
    prompt = material.prompt(codec, room=40)
    held_out = {f"{line.person}: {line.text}" for s in material.parts.validation for line in s}
    assert prompt.asked in held_out
    assert len(prompt.ids) <= 40
    assert codec.decode(prompt.ids).endswith("Dex:")
