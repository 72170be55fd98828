"""Training with the real graph: what is written, who can read it, and that it goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.training.loop import Plan
from finetune.training.run_folder import read_progress
from model_server.checkpoint_format import (
    LINES_FILE,
    WORDS_FILE,
    Codec,
    Manifest,
    Sizes,
    line_digest,
    read_line_digests,
    read_word_digests,
    word_digest,
)
from tests.conftest import SAMPLE_CHAT
from tests.finetune.training_here import (
    Audience,
    begin,
    finetune,
    train_command,
    train_here,
    wait_for_save,
)

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


def test_digests_of_everybodys_lines_and_words_lie_beside_a_friend(checkpoints: Path) -> None:
    folder = checkpoints / "marlow"
    said = [message["content"] for message in json.loads(SAMPLE_CHAT.read_text())["messages"]]
    lines, words = read_line_digests(folder), read_word_digests(folder)
    assert len(lines & set(map(line_digest, said))) > 2000
    assert {word_digest("spreadsheet"), word_digest("goose")} < words
    assert word_digest("righend") not in words
    held_out = [text for text in said if (digest := line_digest(text)) and digest not in lines]
    assert len(held_out) > 50
    for name in (LINES_FILE, WORDS_FILE):
        assert b"goose" not in (folder / name).read_bytes()


def test_the_words_that_are_shipped_are_those_that_training_on_the_sample_chat_writes(
    checkpoints: Path,
) -> None:
    written = (checkpoints / "marlow" / WORDS_FILE).read_bytes()
    shipped = sorted((SAMPLE_CHAT.parent / "friends").glob(f"*/{WORDS_FILE}"))
    assert [path.parent.name for path in shipped] == ["dex", "juno", "marlow", "priya"]
    assert all(path.read_bytes() == written for path in shipped)


def test_ctrl_c_saves_and_the_same_command_goes_on(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    process = begin(
        train_command(tmp_path, models, corpus_file, "--steps", 5000, "--save-every", 0)
    )
    wait_for_save(process, 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Next: the same command goes on from there." in errors
    saved = read_progress(tmp_path / "dex")
    assert saved is not None
    assert Manifest.read(tmp_path / "dex").in_training
    done = train_here(corpus_file, models, tmp_path / "dex", steps=saved.step + 3)
    assert done.progress.step == saved.step + 3


def test_ctrl_c_before_the_first_step_leaves_at_once_and_nothing_behind(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    process = begin(train_command(tmp_path / "new", models, corpus_file, "--steps", 5000))
    assert process.stderr is not None
    assert "--pool lets it learn from everybody first" in process.stderr.readline()
    process.send_signal(signal.SIGINT)  # in the middle of loading or building
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("model-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit another process")
def test_a_save_that_finds_no_room_leaves_the_last_one_and_the_same_command_goes_on(
    models: Path, corpus_file: Path, tmp_path: Path
) -> None:
    import resource

    process = begin(
        train_command(tmp_path, models, corpus_file, "--steps", 5000, "--save-every", 0)
    )
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
    models: Path, corpus_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_models = shutil.copytree(models, tmp_path / "models")
    for style, more in (("monologue", []), ("dialogue", ["--pool"])):
        code = finetune(
            "train", "Juno", "--base", "tiny", "--style", style, "--steps", 4, *more,
            "--models", own_models, "--corpus", corpus_file, "--checkpoints", style, "--json",
            "--threads", 1,
        )  # fmt: skip
        told = capsys.readouterr()
        assert code == 0, told.err
        [row] = json.loads(told.out)
        assert row["friend"] == "Juno"
    assert Manifest.read(Path("monologue/juno")).prompt_prefix == "<|startoftext|>"
    base = Manifest.read(Path("dialogue/juno")).base
    assert base is not None
    assert base.name == "everybody"


def test_who_wrote_only_earlier_is_told_why_nothing_is_tested_and_what_helps(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
    until = chat["messages"][len(chat["messages"]) * 4 // 5]["timestamp"]
    chat["messages"] = [
        message
        for message in chat["messages"]
        if message["timestamp"] < until or message["author"]["nickname"] != "Juno"
    ]
    (tmp_path / "chat.json").write_text(json.dumps(chat), encoding="utf-8")
    assert finetune("import", tmp_path / "chat.json", "--corpus", "c.sqlite") == 0
    train = ("train", "Juno", "--base", "tiny", "--models", models, "--corpus", "c.sqlite",
             "--steps", 2, "--threads", 1, "--restart")  # fmt: skip
    assert finetune(*train) == 0
    told = capsys.readouterr().out
    assert "not tested, as Juno wrote none of the newest messages of these chats" in told
    assert finetune(*train, "--until", until[:10]) == 0
    assert "bits per byte on newer ones" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Bort"], "Nobody called 'Bort' is in this corpus"),
        (["Marlow", "--base", "giant"], "There is no base model 'giant'"),
        (["Marlow", "--base", "giant", "--estimate"], "There is no base model 'giant'"),
        (["Marlow", "--base", "355M"], "fetch it with: botconvo base download 355M"),
        ([], "Name the friends to train, or give --all; see"),
        (["Marlow", "--all"], "Name the friends to train, or give --all; not both"),
        (["Marlow", "Dex", "--out", "x"], "--out is the folder of one friend"),
        (["Dex", "--from", "x", "--pool"], "give one of them"),
        (["Dex", "--from", "nowhere"], "there is no such checkpoint folder"),
        (["Dex", "--minutes", "-3"], "'-3' is no number above 0"),
        (["Dex", "--keep", "best"], "'best' is no whole number from 1 on"),
        (["Dex", "--seed", "-1"], "'-1' is no whole number from 0 on"),
        (["Dex", "--save-every", "nan"], "'nan' is no number of seconds"),
    ],
)
def test_a_wrong_wish_is_answered_with_one_sentence(
    corpus_file: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune("train", *arguments, "--corpus", corpus_file) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("checkpoints").exists()


def test_a_mistyped_base_is_answered_without_loading_tensorflow() -> None:
    modules = "finetune.bases.base_models, finetune.training.beginning"
    code = f"import sys, {modules}; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Plan(steps=100, rate=1.0, warmup_steps=10, decay_share=0.4)
    rates = [plan.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == rates[59] == 1.0
    assert rates[-1] == pytest.approx(1 / 40)
    assert rates == sorted(rates[:60]) + sorted(rates[60:], reverse=True)


def test_estimates_grow_with_the_model(
    corpus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {}
    for base in ("124M", "355M"):
        asked = ["Dex", "--estimate", "--json", "--base", base, "--corpus", corpus_file]
        assert finetune("train", *asked) == 0
        [rows[base]] = json.loads(capsys.readouterr().out)
    assert isinstance(rows["124M"]["has_gpu"], bool)
    for key in ("seconds", "memory_bytes", "disk_bytes"):
        assert rows["355M"][key] > 1.5 * rows["124M"][key] > 0
    assert not Path("checkpoints").exists()


# --- a base model from nothing -----------------------------------------------------------------


def scratch(text: Path, *more: object) -> int:
    return finetune(
        "base", "scratch", text, "--name", "own", "--vocabulary", 300, "--window", 32,
        "--width", 32, "--layers", 1, "--heads", 2, "--threads", 1, "--tokens", 0.002, *more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--vocabulary", 100], "--vocabulary 100: it needs 257 entries at least"),
        (["--heads", 3], "--width 32 is no multiple of --heads 3"),
        (["--window", 8], "--window 8: no line fits"),
        (["--layers", 0], "'0' is no whole number from 1 on"),
        (["--tokens", "nan"], "'nan' is no number above 0"),
        (["--name", "../own"], "'../own' cannot be a folder's name"),
    ],
)
def test_sizes_that_make_no_model_are_refused(
    dialogue_file: Path, arguments: list[object], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scratch(dialogue_file, *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("models").exists()
    assert scratch(Path(f"{dialogue_file}=0")) == 2
    assert "a weight is a number above 0" in capsys.readouterr().err


def test_a_base_model_is_never_written_over(
    dialogue_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scratch(dialogue_file) == 0
    files = {path: path.read_bytes() for path in Path("models/own").iterdir() if path.is_file()}
    capsys.readouterr()
    for more in ([], ["--layers", 2]):
        assert scratch(dialogue_file, *more) == 2
        assert "There is already a models/own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in files} == files


def test_a_stopped_run_of_a_base_model_goes_on_only_with_its_own_sizes(
    dialogue_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from finetune.bases.pretraining_text import PretrainingText, Source
    from finetune.bases.scratch import train_from_scratch
    from finetune.training.loop import Plan

    text, folder = PretrainingText([Source(dialogue_file)], seed=1), Path("models/own")
    sizes, plan = Sizes(300, 32, 32, 2, 1), Plan(steps=4, rate=0.002, keep=1)
    stopped, _ = train_from_scratch(
        folder, text, sizes, plan, Audience(stop_after=2), seed=1, threads=1
    )
    assert (stopped.step, stopped.finished) == (2, False)
    assert scratch(dialogue_file, "--width", 64) == 2
    assert "the width was 32 and is now 64" in capsys.readouterr().err
    assert scratch(dialogue_file) == 0
    assert "step 4 saved" in capsys.readouterr().err
    assert Manifest.read(folder).step == 4
