"""A checkpoint folder of GPT-2's 124M size with random weights, as `train` would leave it:
gpt-2-simple's files where a peer needs them, the GGUF and the manifest of a monologue friend."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from model_server.checkpoint_format import ENCODER_FILE, MANIFEST_FILE, MERGES_FILE, Manifest, Sizes

SIZES = Sizes(n_vocab=50257, n_ctx=1024, n_embd=768, n_head=12, n_layer=12)
VOCABULARY = Path(__file__).resolve().parents[2] / "orchestrator" / "demo" / "base"
"""A smaller vocabulary of the same kind, to be filled up with names that no text contains."""
WEIGHT_SPREAD, POSITION_SPREAD = 0.02, 0.01
"""GPT-2's own initialisation."""


def make_checkpoint(folder: Path, seed: int, with_tensorflow: bool) -> Path:
    """Makes the folder if it is not there yet, in a few seconds. The same seed gives the same
    weights; TensorFlow's files take half a gigabyte."""
    if (folder / MANIFEST_FILE).exists():  # it is written last
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_vocabulary(folder)
    SIZES.write(folder)
    weights = _random_weights(seed)
    if with_tensorflow:
        _write_tensorflow(weights, folder)
    from finetune.convert import write_gguf

    record = write_gguf(weights, folder, 1, "q8_0")
    Manifest(friend=folder.name, window=SIZES.n_ctx, step=1, gguf=record).write(folder)
    return folder


def bytes_per_token(folder: Path) -> int:
    """Bytes of weights that drawing one token reads: all but the position embeddings, of which
    it is one row. The token embedding counts once, as the output layer."""
    import gguf

    tensors = gguf.GGUFReader(next(folder.glob("*.gguf"))).tensors
    return sum(int(t.n_bytes) for t in tensors if t.name != "position_embd.weight")


def _write_vocabulary(folder: Path) -> None:
    encoder = json.loads((VOCABULARY / ENCODER_FILE).read_text(encoding="utf-8"))
    taken = set(encoder.values())
    encoder |= {f"pad{token}": token for token in range(SIZES.n_vocab) if token not in taken}
    (folder / ENCODER_FILE).write_text(json.dumps(encoder), encoding="utf-8")
    shutil.copy(VOCABULARY / MERGES_FILE, folder / MERGES_FILE)


def _random_weights(seed: int) -> dict[str, Any]:
    """float32 arrays by gpt-2-simple's names without `model/`."""
    import numpy as np

    rng = np.random.default_rng(seed)
    width = SIZES.n_embd

    def random(spread: float, *shape: int) -> Any:
        return rng.standard_normal(shape, np.float32) * np.float32(spread)

    def norm(name: str) -> dict[str, Any]:
        return {f"{name}/g": np.ones(width, np.float32), f"{name}/b": np.zeros(width, np.float32)}

    weights = {
        "wte": random(WEIGHT_SPREAD, SIZES.n_vocab, width),
        "wpe": random(POSITION_SPREAD, SIZES.n_ctx, width),
        **norm("ln_f"),
    }
    matrices = {
        "attn/c_attn": (width, 3 * width), "attn/c_proj": (width, width),
        "mlp/c_fc": (width, 4 * width), "mlp/c_proj": (4 * width, width),
    }  # fmt: skip
    for layer in range(SIZES.n_layer):
        weights |= norm(f"h{layer}/ln_1") | norm(f"h{layer}/ln_2")
        for name, (inputs, outputs) in matrices.items():
            weights[f"h{layer}/{name}/w"] = random(WEIGHT_SPREAD, 1, inputs, outputs)
            weights[f"h{layer}/{name}/b"] = np.zeros(outputs, np.float32)
    return weights


def _write_tensorflow(weights: dict[str, Any], folder: Path) -> None:
    from finetune.training.graph import Graph

    graph = Graph(SIZES, window=1, rows=1)
    graph.set_weights(weights)
    graph.save_weights(folder / "model", 1)
    graph.close()
