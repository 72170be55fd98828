"""Checkpoint to GGUF and back, and the folders that cannot be converted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finetune.agreement import agreement
from finetune.arrays import FloatArray
from finetune.bases.checkpoint_files import (
    find_weights,
    read_checked_weights,
    weight_shapes,
    write_weights,
)
from finetune.convert import (
    GgufType,
    check_conversion,
    convert_checkpoint,
    gguf_file,
    read_gguf,
)
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import CheckpointError, Codec, Manifest, Sizes
from tests.conftest import botconvo_here, run_botconvo

RECORDED = Path(__file__).parent / "hugging_face"
ROUNDING: dict[GgufType, float] = {"f32": 0.0, "f16": 1e-3, "q8_0": 6e-3}


SIZES = Sizes(n_vocab=300, n_ctx=64, n_embd=64, n_head=2, n_layer=2)
STEP = 20


def random_weights() -> dict[str, FloatArray]:
    """So large that the model has opinions: with gpt-2-simple's first weights all tokens are
    about as likely, and nothing could be told of a rounding."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.normal(name.endswith("/g"), 0.15, shape)).astype(np.float32)
        for name, shape in weight_shapes(SIZES)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A friend's checkpoint folder, to be damaged."""
    result = tmp_path / "marlow"
    write_weights(random_weights(), result / f"model-{STEP}")
    SIZES.write(result)
    shutil.copyfile(RECORDED / "vocab.json", result / "encoder.json")
    shutil.copyfile(RECORDED / "merges.txt", result / "vocab.bpe")
    Manifest(friend="Marlow", style="dialogue", stop="\n", end_of_text="token").write(result)
    return result


@pytest.mark.parametrize("kind", ROUNDING)
def test_weights_survive_the_way_there_and_back(folder: Path, kind: GgufType) -> None:
    convert_checkpoint(folder, kind)
    _, before = read_checked_weights(folder)
    after = read_gguf(folder / gguf_file(kind), Sizes.read(folder))
    assert before.keys() == after.keys()
    for name, weights in before.items():
        np.testing.assert_allclose(after[name], weights, atol=ROUNDING[kind], err_msg=name)


def test_the_command_says_how_near_the_file_is_and_notes_it(folder: Path) -> None:
    done = run_botconvo("convert", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    check = json.loads(done.stdout)["check"]
    assert 0.9 <= check["greedy"] <= 1
    assert abs(check["bits_per_byte_added"]) < 0.05 < check["bits_per_byte"]
    record = Manifest.read(folder).gguf
    assert record is not None
    assert record.model_extra is not None
    assert record.model_extra["greedy_agreement"] == round(check["greedy"], 4)
    done = botconvo_here("convert", folder, "--no-check")
    assert "likeliest token" not in done.stdout
    assert "greedy_agreement" not in (folder / "botconvo.json").read_text()


def test_nothing_is_lost_with_float32(folder: Path) -> None:
    convert_checkpoint(folder, "f32")
    found = check_conversion(folder)
    assert found.greedy == 1
    assert abs(found.bits_per_byte_added) < 1e-6  # sums run in another order


def test_agreement_sees_a_file_of_other_weights(folder: Path) -> None:
    """A check that everything passes would be none."""
    _, weights = read_checked_weights(folder)
    rng = np.random.default_rng(0)
    noisy = {
        name: values + rng.normal(0, 0.5 * values.std(), values.shape).astype(np.float32)
        for name, values in weights.items()
    }
    found = agreement(weights, lambda: noisy, Sizes.read(folder), Codec.read(folder))
    assert found.greedy < 0.9
    assert found.bits_per_byte_added > 0.05


def test_a_folder_that_gpt_2_simple_wrote_gets_a_manifest_with_its_markers(folder: Path) -> None:
    (folder / "botconvo.json").unlink()
    convert_checkpoint(folder, "q8_0")
    manifest = Manifest.read(folder)
    assert (manifest.style, manifest.prompt_prefix, manifest.stop) == (
        "monologue", "<|startoftext|>", "<|endoftext|>",
    )  # fmt: skip
    assert manifest.gguf is not None
    assert manifest.step == STEP


@pytest.mark.parametrize("place", ["/home/ana/checkpoint/run1/", r"C:\\\\bots\\\\run1\\\\"])
def test_a_folder_from_another_machine_is_found_by_its_own_files(folder: Path, place: str) -> None:
    name = find_weights(folder).name
    note = f'model_checkpoint_path: "{place}{name}"\nall_model_checkpoint_paths: "{place}{name}"\n'
    (folder / "checkpoint").write_text(note)
    assert find_weights(folder) == folder / name
    assert convert_checkpoint(folder, "f16").from_step == STEP


def test_a_copy_takes_its_own_weights_and_not_those_it_was_copied_from(
    folder: Path, tmp_path: Path
) -> None:
    """gpt-2-simple notes an absolute path, which still exists here."""
    name = find_weights(folder).name
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "checkpoint").write_text(f'model_checkpoint_path: "{folder / name}"\n')
    _, weights = read_checked_weights(copy)
    write_weights({n: values * 2 for n, values in weights.items()}, copy / name)
    (copy / "checkpoint").write_text(f'model_checkpoint_path: "{folder / name}"\n')
    assert np.array_equal(read_checked_weights(copy)[1]["wte"], weights["wte"] * 2)


def data_file(folder: Path) -> Path:
    return next(folder.glob(f"{find_weights(folder).name}.data-*"))


def cut_short(folder: Path) -> None:
    path = data_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(folder: Path) -> None:
    data = bytearray(data_file(folder).read_bytes())
    data[len(data) // 2] ^= 1
    data_file(folder).write_bytes(data)


def damage_the_index(folder: Path) -> None:
    find_weights(folder).with_name(find_weights(folder).name + ".index").write_bytes(b"rubbish")


def other_sizes(**values: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        data = json.loads((folder / "hparams.json").read_text()) | values
        (folder / "hparams.json").write_text(json.dumps(data))

    return write


def put_nan(folder: Path) -> None:
    prefix, weights = read_checked_weights(folder)
    weights["h1/mlp/c_fc/w"][0, 3, 3] = np.nan
    write_weights(weights, prefix)


def one_token_more(folder: Path) -> None:
    entries = json.loads((folder / "encoder.json").read_text())
    (folder / "encoder.json").write_text(json.dumps(entries | {"more": len(entries)}))


def other_merges(folder: Path) -> None:
    (folder / "vocab.bpe").write_text("#version: 0.2\nq q\n")


def name_a_step_that_is_gone(folder: Path) -> None:
    (folder / "checkpoint").write_text('model_checkpoint_path: "model-999"\n')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, r"are damaged"),
        (flip_a_bit, r"are damaged"),
        (damage_the_index, r"are damaged"),
        (lambda f: data_file(f).unlink(), r"is there without its model-\d+\.data"),
        (name_a_step_that_is_gone, r"names model-999, .* is not there; there are steps \d+"),
        (lambda f: (f / "checkpoint").unlink(), r"no file 'checkpoint'.* there are steps \d+"),
        (lambda f: (f / "checkpoint").write_text("?"), r"names no weights; its first line"),
        (other_sizes(n_layer=3), r"lack h2/"),
        (other_sizes(n_layer=1), r"have 2 layers and hparams.json says 1"),
        (other_sizes(n_embd=32), r"wte has the shape \(\d+, 64\) .* asks for \(\d+, 32\)"),
        (other_sizes(n_ctx=128), r"wpe has the shape"),
        (put_nan, r"h1/mlp/c_fc/w holds values that are no numbers"),
        (one_token_more, r"encoder.json has 301 tokens and hparams.json says 300"),
        (other_merges, r"the merge 'q q' is not in encoder.json"),
        (lambda f: (f / "hparams.json").unlink(), r"has no hparams.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_or_mixed_folder_is_refused_and_left_as_it_is(
    folder: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=said):
        convert_checkpoint(folder, "f16")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_width_that_q8_0_cannot_pack_is_refused_before_anything_is_left(tmp_path: Path) -> None:
    from finetune.bases.hugging_face import convert_folder

    convert_folder(RECORDED, tmp_path)
    with pytest.raises(BadBaseModel, match="convert with --type f16"):
        convert_checkpoint(tmp_path, "q8_0")
    assert not list(tmp_path.glob("*.gguf*"))
    assert convert_checkpoint(tmp_path, "f16").type == "f16"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    done = botconvo_here("convert", "nowhere")
    assert (done.returncode, "no such checkpoint folder" in done.stderr) == (2, True)
    (tmp_path / "x.gguf").write_bytes(b"GGUF rubbish")
    with pytest.raises(BadBaseModel, match="no usable GPT-2"):
        read_gguf(tmp_path / "x.gguf", SIZES)
