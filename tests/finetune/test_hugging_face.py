"""Hugging Face folders as base models.

`hugging_face/` holds a GPT-2 of 12,000 random weights that transformers 5.23 and PyTorch 2.15
wrote: as safetensors, as the zip form of PyTorch (float16, names without a prefix, one matrix
stored column by column) and as the form before 1.6 (with the buffers of old uploads), and the
logits that transformers computed from it: with the configuration as it is, with
`scale_attn_by_inverse_layer_idx`, and without `scale_attn_weights`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from finetune.agreement import Forward
from finetune.bases.base_models import find_base
from finetune.bases.checkpoint_files import read_checked_weights
from finetune.bases.hugging_face import add_hugging_face
from finetune.bases.torch_files import open_torch_file
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import END_OF_TEXT, Codec, Sizes
from tests.conftest import botconvo_here, run_botconvo

RECORDED = Path(__file__).parent / "hugging_face"
LOGITS = load_file(RECORDED / "logits.safetensors")
TOKENS = LOGITS["tokens"][0]

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The recorded model as it is downloaded."""
    folder = tmp_path / "tiny-gpt2"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer.json"):
        shutil.copyfile(RECORDED / name, folder / name)
    return folder


def change(path: Path, how: Change) -> None:
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


def configured(folder: Path, **values: object) -> None:
    change(folder / "config.json", lambda config: config.update(values))


def change_weights(folder: Path, how: Change) -> None:
    weights = load_file(folder / "model.safetensors")
    how(weights)
    save_file(weights, folder / "model.safetensors")


def without_tokenizer_json(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def add(source: Path) -> Path:
    return add_hugging_face(source, source.parent / "models", "added").folder


def refusal(source: Path) -> str:
    """What is said, after which nothing must be left."""
    with pytest.raises(BadBaseModel) as error:
        add(source)
    assert list((source.parent / "models").glob("*")) == []
    return str(error.value)


def logits(folder: Path) -> np.ndarray:
    _, weights = read_checked_weights(folder)
    model = Forward(weights, Sizes.read(folder), rows=1)
    return np.concatenate([model.next_logits(TOKENS[[n]]) for n in range(len(TOKENS))])


# --- the same numbers as transformers ----------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "config"),
    [
        ("plain", {}),
        ("plain", {"activation_function": "gelu_pytorch_tanh", "n_inner": 64}),
        ("by_layer", {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}),
        ("unscaled", {"scale_attn_weights": False}),
    ],
)
def test_logits_are_those_that_transformers_computes(
    source: Path, expected: str, config: dict[str, Any]
) -> None:
    configured(source, **config)
    np.testing.assert_allclose(logits(add(source)), LOGITS[expected], atol=2e-5)


def test_gpt_2_simple_loads_the_folder_and_computes_the_same(source: Path) -> None:
    import gpt_2_simple
    import gpt_2_simple.src.model as gpt2_model
    import tensorflow as tf

    folder = add(source)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        gpt_2_simple.load_gpt2(session, model_name=folder.name, model_dir=str(folder.parent))
        hparams = gpt2_model.HParams(*(getattr(Sizes.read(folder), n) for n in Sizes.__slots__))
        output = gpt2_model.model(hparams=hparams, X=tf.constant(TOKENS[None]), reuse=True)
        found = session.run(output["logits"])[0]
    np.testing.assert_allclose(found, LOGITS["plain"], atol=2e-5)


def split_in_two(folder: Path, kind: str) -> None:
    """As transformers writes models that are too large for one file."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {f"model-0000{n + 1}-of-00002.safetensors": names[n::2] for n in range(2)}
    for file, members in shards.items():
        save_file({name: weights[name].astype(kind) for name in members}, folder / file)
    weight_map = {name: file for file, members in shards.items() for name in members}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def as_bfloat16(folder: Path) -> None:
    """Float32 cut in half, written by hand: NumPy has no bfloat16."""
    header, body = {}, b""
    for name, values in load_file(folder / "model.safetensors").items():
        data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        places = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": places}
        body += data
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + body)


def as_torch(folder: Path, recorded: str) -> None:
    (folder / "model.safetensors").unlink()
    shutil.copyfile(RECORDED / recorded, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("form", "tolerance"),
    [
        (lambda folder: split_in_two(folder, "float32"), 2e-5),
        (lambda folder: split_in_two(folder, "float16"), 2e-5),
        (lambda folder: as_torch(folder, "zip_half.bin"), 2e-5),
        (lambda folder: as_torch(folder, "legacy.bin"), 2e-5),
        (as_bfloat16, 0.2),
    ],
    ids=["shards", "float16 shards", "PyTorch's zip", "PyTorch before 1.6", "bfloat16"],
)
def test_every_form_of_weights_gives_the_same(
    source: Path, form: Callable[[Path], None], tolerance: float
) -> None:
    form(source)
    np.testing.assert_allclose(logits(add(source)), LOGITS["plain"], atol=tolerance)


def test_shards_of_pytorch_are_read_too(source: Path) -> None:
    as_torch(source, "legacy.bin")
    (source / "pytorch_model.bin").rename(source / "pytorch_model-00001-of-00001.bin")
    names = open_torch_file(source / "pytorch_model-00001-of-00001.bin")
    weight_map = dict.fromkeys(names, "pytorch_model-00001-of-00001.bin")
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_allclose(logits(add(source)), LOGITS["plain"], atol=2e-5)


# --- tokenizers ----------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [(), ("tokenizer.json",), ("vocab.json", "merges.txt")])
def test_the_tokenizer_is_the_same_from_either_form(source: Path, missing: tuple[str, ...]) -> None:
    for name in missing:
        (source / name).unlink()
    folder = add(source)
    codec = Codec.read(folder)
    assert codec.encode("did you feed the cat? no, the cat fed me.")[:24] == TOKENS.tolist()
    assert json.loads((folder / "encoder.json").read_text()) == json.loads(
        (RECORDED / "vocab.json").read_text()
    )


def test_merges_without_header_and_last_newline_are_read_whole(source: Path) -> None:
    lines = (source / "merges.txt").read_text().splitlines()
    (source / "merges.txt").write_text("\r\n".join(lines[1:]), newline="")
    assert (add(source) / "vocab.bpe").read_text() == (RECORDED / "merges.txt").read_text()


def test_rows_that_only_pad_the_embedding_are_left_out(source: Path) -> None:
    """As in models whose rows were made a multiple of 64."""

    def pad(weights: dict[str, Any]) -> None:
        weights["transformer.wte.weight"] = np.pad(
            weights["transformer.wte.weight"], ((0, 20), (0, 0))
        )

    change_weights(source, pad)
    configured(source, vocab_size=320)
    added = add_hugging_face(source, source.parent / "models", "added")
    assert added.sizes.n_vocab == 300
    assert added.notes == ("20 rows of padding without a token were left out",)
    np.testing.assert_allclose(logits(added.folder), LOGITS["plain"], atol=2e-5)


def test_a_token_added_without_a_row_is_left_out(source: Path) -> None:
    """`tokenizer.add_special_tokens` without `resize_token_embeddings`."""
    (source / "added_tokens.json").write_text('{"<pad>": 300, "[with a space]": 301}')
    assert len(Codec.read(add(source))) == 300


def test_added_tokens_with_rows_keep_their_ids_and_holes_are_filled(source: Path) -> None:
    def grow(weights: dict[str, Any]) -> None:
        rows = weights["transformer.wte.weight"]
        weights["transformer.wte.weight"] = np.concatenate([rows, rows[:3]])

    change_weights(source, grow)
    configured(source, vocab_size=303)
    (source / "added_tokens.json").write_text('{"<pad>": 300, "[with a space]": 302}')
    codec = Codec.read(add(source))
    assert codec.tokens()[299:302] == [END_OF_TEXT, "<pad>", "<|unused301|>"]
    assert codec.decode([300, 302]) == "<pad>[with a space]"
    assert codec.end_of_text == 299


def rename_end(folder: Path, name: str) -> None:
    def rename(vocabulary: dict[str, Any]) -> None:
        vocabulary[name] = vocabulary.pop(END_OF_TEXT)

    change(folder / "vocab.json", rename)
    without_tokenizer_json(folder)


@pytest.mark.parametrize("statement", ["special_tokens_map.json", "tokenizer_config.json"])
def test_an_end_of_text_of_another_name_is_found(source: Path, statement: str) -> None:
    rename_end(source, "</s>")
    configured(source, eos_token_id=50256)  # left at GPT-2's, as it often is
    (source / statement).write_text('{"eos_token": {"content": "</s>"}}')
    added = add_hugging_face(source, source.parent / "models", "added")
    codec = Codec.read(added.folder)
    assert (codec.end_of_text, codec.tokens()[299]) == (299, END_OF_TEXT)
    assert added.notes == (f"its end-of-text token </s> is now called {END_OF_TEXT}",)


def test_an_end_of_text_is_found_by_its_id_alone(source: Path) -> None:
    rename_end(source, "<end>")
    assert Codec.read(add(source)).end_of_text == 299


def test_the_tokenizers_own_end_of_text_counts_more_than_gpt_2s_name(source: Path) -> None:
    """A loader's default adds <|endoftext|> to models that were trained with another token."""

    def swap(vocabulary: dict[str, Any]) -> None:
        vocabulary["</s>"] = vocabulary.pop(END_OF_TEXT)

    change(source / "vocab.json", swap)
    without_tokenizer_json(source)
    change_weights(source, lambda w: w.update(_one_row_more(w)))
    configured(source, vocab_size=301)
    (source / "added_tokens.json").write_text(json.dumps({END_OF_TEXT: 300}))
    (source / "special_tokens_map.json").write_text('{"eos_token": "</s>"}')
    codec = Codec.read(add(source))
    assert codec.end_of_text == 299
    assert codec.tokens()[300] == "<|unused300|>"


def _one_row_more(weights: dict[str, Any]) -> dict[str, Any]:
    rows = weights["transformer.wte.weight"]
    return {"transformer.wte.weight": np.concatenate([rows, rows[:1]])}


def test_a_model_whose_texts_have_no_end_is_refused(source: Path) -> None:
    change(source / "vocab.json", lambda vocabulary: vocabulary.pop(END_OF_TEXT))
    without_tokenizer_json(source)
    configured(source, eos_token_id=280)  # an ordinary piece: the number was left there
    assert "no token ends a text" in refusal(source)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda d: d.update(model={"type": "Unigram", "vocab": []}), "is a Unigram tokenizer"),
        (lambda d: d["pre_tokenizer"].update(use_regex=False), "other tokens of a text"),
        (lambda d: d.update(normalizer={"type": "Lowercase"}), "other tokens of a text"),
        (lambda d: d["model"]["vocab"].pop("z"), "1 bytes have no token"),
        (lambda d: d["model"]["merges"].append(["q", "q"]), "the merge 'q q' is not in the vocab"),
        (lambda d: d.update(decoder={"type": "Nonsense"}), "cannot be read"),
    ],
)
def test_a_tokenizer_that_gpt_2_simple_cannot_compute_is_refused(
    source: Path, how: Change, said: str
) -> None:
    (source / "vocab.json").unlink()
    change(source / "tokenizer.json", how)
    assert said in refusal(source)


def test_a_tokenizer_that_begins_with_a_space_is_taken_with_a_note(source: Path) -> None:
    change(source / "tokenizer.json", lambda d: d["pre_tokenizer"].update(add_prefix_space=True))
    added = add_hugging_face(source, source.parent / "models", "added")
    assert "begins every text with a space" in added.notes[0]


@pytest.mark.parametrize(
    ("file", "said"), [("spiece.model", "SentencePiece"), ("vocab.txt", "WordPiece"), ("x", "no t")]
)
def test_a_folder_without_a_byte_level_bpe_is_refused(source: Path, file: str, said: str) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        (source / name).unlink()
    (source / file).write_bytes(b"")
    assert said in refusal(source)


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt_neo"}, "a model of the kind gpt_neo"),
        ({"model_type": "llama"}, "openai-community/gpt2"),
        ({"architectures": ["GPT2ForSequenceClassification"]}, "which writes no text"),
        ({"activation_function": "relu"}, "activation_function is relu"),
        ({"activation_function": "gelu"}, "activation_function is gelu"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06"),
        ({"n_inner": 128}, "n_inner is 128"),
        ({"n_head": 3}, "no multiple of n_head 3"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"vocab_size": 50257}, "says vocab_size 50257 and the weights have 300"),
        ({"n_positions": 64}, "says n_positions 64 and the weights have 32"),
        ({"n_layer": 3}, "says n_layer 3 and the weights have 2"),
        ({"tie_word_embeddings": False}, "lack lm_head.weight"),
    ],
)
def test_a_configuration_that_the_graph_cannot_compute_is_named(
    source: Path, config: dict[str, Any], said: str
) -> None:
    configured(source, **config)
    assert said in refusal(source)


def test_an_output_layer_may_be_there_if_it_is_the_embedding(source: Path) -> None:
    change_weights(source, lambda w: w.update({"lm_head.weight": w["transformer.wte.weight"] + 0}))
    configured(source, tie_word_embeddings=False)
    np.testing.assert_allclose(logits(add(source)), LOGITS["plain"], atol=2e-5)


def with_nan(weights: dict[str, Any]) -> None:
    weights["transformer.h.1.mlp.c_fc.weight"][0, 0] = np.nan


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            lambda w: w.update({"lm_head.weight": w["transformer.wte.weight"] + 1}),
            "another than its embedding",
        ),
        (lambda w: w.pop("transformer.h.0.ln_1.bias"), "lack h.0.ln_1.bias"),
        (lambda w: w.pop("transformer.wpe.weight"), "no GPT-2's"),
        (lambda w: w.update({"transformer.h.0.q_attn.bias": w["transformer.ln_f.bias"]}), "q_attn"),
        (with_nan, "no numbers"),
        (
            lambda w: w.update({"transformer.ln_f.bias": np.zeros(16, np.int8)}),
            "ln_f.bias is stored as I8",
        ),
    ],
)
def test_weights_that_are_no_gpt_2s_are_named(source: Path, how: Change, said: str) -> None:
    change_weights(source, how)
    assert said in refusal(source)


def test_a_tokenizer_of_another_model_is_refused(source: Path) -> None:
    change_weights(
        source, lambda w: w.update({"transformer.wte.weight": w["transformer.wte.weight"][:290]})
    )
    configured(source, vocab_size=290)
    assert "the tokenizer has 300 entries and the weights have 290" in refusal(source)


def test_what_is_missing_or_damaged_is_named(source: Path) -> None:
    whole = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(whole[:-100])
    assert "is damaged" in refusal(source)
    (source / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in refusal(source)
    (source / "model.safetensors").rename(source / "tf_model.h5")
    assert "holds only tf_model.h5" in refusal(source)
    index = source / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"wte.weight": "../elsewhere.safetensors"}}')
    assert "names ../elsewhere.safetensors, which is not there" in refusal(source)
    (source / "config.json").unlink()
    assert "has no config.json" in refusal(source)


# --- pickles -------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("was-run",)


def torch_zip(path: Path, pickled: bytes, storage: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", storage)
    return path


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_something_is_refused_by_name(
    tmp_path: Path, protocol: int
) -> None:
    path = torch_zip(tmp_path / "pytorch_model.bin", pickle.dumps({"a": Evil()}, protocol))
    with pytest.raises(BadBaseModel, match=r"asks for \w+\.mkdir, .*could run any program"):
        open_torch_file(path)
    path.write_bytes(pickle.dumps(Evil(), protocol))
    with pytest.raises(BadBaseModel, match=r"asks for \w+\.mkdir"):
        open_torch_file(path)
    assert not Path("was-run").exists()


def view_of_a_storage(offset: int, size: int, stride: int) -> bytes:
    """What `torch.save` writes of a tensor with a storage of four numbers."""
    text = (
        "c__builtin__\ndict\n)R(S'wte'\nctorch._utils\n_rebuild_tensor_v2\n("
        "(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQ"
        f"I{offset}\n(I{size}\nt(I{stride}\nttR"
    )
    return text.replace("c__builtin__\ndict\n)R", "}").encode() + b"u."


def test_a_view_within_its_storage_is_read_and_one_beyond_it_refused(tmp_path: Path) -> None:
    numbers = np.arange(4, dtype="<f4").tobytes()
    path = torch_zip(tmp_path / "good.bin", view_of_a_storage(1, 2, 2), numbers)
    assert open_torch_file(path)["wte"].read().tolist() == [1, 3]
    for place in ((1, 4, 1), (0, 2, 4), (-1, 2, 1), (0, 9, 0), (0, 2, -1)):
        path = torch_zip(tmp_path / "bad.bin", view_of_a_storage(*place), numbers)
        with pytest.raises(BadBaseModel, match="which tensors do not need"):
            open_torch_file(path)
    path = torch_zip(tmp_path / "short.bin", view_of_a_storage(0, 4, 1), numbers[:-1])
    with pytest.raises(BadBaseModel, match="breaks off early"):
        open_torch_file(path)["wte"].read()


@pytest.mark.parametrize("recorded", ["legacy.bin", "zip_half.bin"])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_is_refused_or_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, recorded: str, data: st.DataObject
) -> None:
    content = bytearray((RECORDED / recorded).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The pickles are near the beginning, and the directory of a zip at its end.
        place = data.draw(st.integers(0, 4000) | st.integers(-4000, -1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        for tensor in open_torch_file(path).values():
            if tensor.kind in ("F32", "F16"):
                assert tensor.read().shape == tensor.shape
    except BadBaseModel as error:
        assert "damaged.bin" in str(error)


@pytest.mark.parametrize(("place", "value"), [(-193, 255), (250, 0)])
def test_a_length_or_a_key_that_is_damaged_is_told_as_damage(
    tmp_path: Path, place: int, value: int
) -> None:
    content = bytearray((RECORDED / "legacy.bin").read_bytes())
    content[place] = value
    path = tmp_path / "legacy.bin"
    path.write_bytes(content)
    with pytest.raises(BadBaseModel, match="is damaged or was not written by PyTorch"):
        for tensor in open_torch_file(path).values():
            tensor.read()


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    path = torch_zip(tmp_path / "list.bin", pickle.dumps([1, 2]))
    with pytest.raises(BadBaseModel, match="no dictionary of tensors"):
        open_torch_file(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(BadBaseModel, match=r"no data\.pkl"):
        open_torch_file(path)


# --- the command ---------------------------------------------------------------------------


def test_base_add_makes_a_model_that_the_other_commands_take(source: Path) -> None:
    """From a folder as Hugging Face's own cache has it."""
    cached = source.parent / "models--somebody--tiny-cat"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs/main").write_text("abc123")
    (cached / "snapshots").mkdir()
    source.rename(cached / "snapshots/abc123")
    done = run_botconvo("base", "add", "--hf", cached)
    assert (done.returncode, done.stderr) == (0, "")
    assert "botconvo train FRIEND --base tiny-cat" in done.stdout
    assert find_base("tiny-cat", Path("models"), Path("none")).gguf is None
    again = botconvo_here("base", "add", "--hf", cached)
    assert (again.returncode, again.stdout) == (2, "")
    assert "There is already a models/tiny-cat" in again.stderr
    listed = json.loads(botconvo_here("base", "list", "--json").stdout)
    assert [row["name"] for row in listed["here"]] == ["demo", "tiny-cat"]
    assert {"name": "124M", "parameters": 124439808, "download_bytes": 497759232} in (
        listed["to_download"]
    )


def test_a_folder_that_is_not_there_is_named_with_the_way_to_get_it() -> None:
    done = botconvo_here("base", "add", "--hf", "openai-community/gpt2")
    assert done.returncode == 2
    assert "hf download openai-community/gpt2 --local-dir gpt2" in done.stderr
