"""One contract for all engines, and the slow one as the specification of the fast one."""

from __future__ import annotations

import gc
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest

from model_server.checkpoint_format import Codec
from model_server.engines import Engine, EngineName, Parameters, load_engine, never_cancelled
from model_server.errors import EngineUnavailable
from tests.conftest import run_botconvo

NAMES: list[EngineName] = ["echo", "tensorflow", "llama"]
PROMPT_TEXT = "Dex: LISTEN, soup for everybody!!\nPriya: No.\nMarlow:"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """A checkpoint with a float32 GGUF."""
    copy = shutil.copytree(checkpoints / "marlow", tmp_path_factory.mktemp("f32") / "marlow")
    assert run_botconvo("convert", copy, "--type", "f32").returncode == 0
    return copy


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest, folder: Path) -> Iterator[Engine]:
    loaded = load_engine(cast(EngineName, request.param), folder, slots=3, threads=1)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return Codec.read(folder)


@pytest.fixture(scope="module")
def prompt(codec: Codec) -> list[int]:
    return [codec.end_of_text, *codec.encode(PROMPT_TEXT)]


def test_each_continuation_has_ids_and_logprobs(engine: Engine, prompt: list[int]) -> None:
    found = engine.generate(prompt, Parameters(n=5, max_tokens=9, seed=1))
    assert len(found) == 5
    for continuation in found:
        assert len(continuation.ids) == len(continuation.logprobs) <= 9
        assert all(logprob <= 1e-6 for logprob in continuation.logprobs)
        assert continuation.stopped in ("stop", "length")


def test_a_seed_gives_the_same_again_and_another_seed_something_else(
    engine: Engine, prompt: list[int]
) -> None:
    def texts(seed: int) -> list[list[int]]:
        parameters = Parameters(n=3, max_tokens=12, temperature=1.0, seed=seed)
        return [c.ids for c in engine.generate(prompt, parameters)]

    assert texts(5) == texts(5)
    assert any(texts(5) != texts(other) for other in range(6, 12))


@pytest.mark.parametrize("engine", ["tensorflow", "llama"], indirect=True)
def test_a_favoured_token_comes_up_and_its_logprob_is_still_the_models(
    engine: Engine, prompt: list[int]
) -> None:
    [plain] = engine.generate(prompt, Parameters(max_tokens=1, temperature=0, top_logprobs=5))
    second, likeliness = sorted(plain.top[0].items(), key=lambda pair: -pair[1])[1]
    favoured = Parameters(max_tokens=1, temperature=0, favoured=((second, 30.0),))
    [found] = engine.generate(prompt, favoured)
    assert found.ids == [second] != plain.ids
    assert found.logprobs[0] == pytest.approx(likeliness, abs=1e-3)


def test_tokens_are_told_as_they_come(engine: Engine, prompt: list[int]) -> None:
    told: dict[int, list[int]] = {0: [], 1: []}
    found = engine.generate(
        prompt, Parameters(n=2, max_tokens=6, seed=2), lambda i, token, _: told[i].append(token)
    )
    assert [told[0], told[1]] == [c.ids for c in found]


def test_a_stop_text_ends_a_continuation(engine: Engine, prompt: list[int], codec: Codec) -> None:
    plain = engine.generate(prompt, Parameters(max_tokens=20, temperature=0))[0]
    stop = codec.decode(plain.ids)[3:5]
    ended = engine.generate(prompt, Parameters(max_tokens=20, temperature=0, stop=(stop,)))[0]
    assert ended.stopped == "stop"
    assert len(ended.ids) < len(plain.ids)


def test_a_cancelled_generation_ends_early(engine: Engine, prompt: list[int]) -> None:
    gone = threading.Event()
    found = engine.generate(
        prompt, Parameters(max_tokens=25, seed=1), lambda *_: gone.set(), gone.is_set
    )
    assert found[0].stopped == "cancelled"
    assert len(found[0].ids) < 25


def test_the_window_is_never_exceeded(engine: Engine, prompt: list[int]) -> None:
    long = (prompt * 9)[: engine.window - 4]
    [found] = engine.generate(long, Parameters(max_tokens=50, temperature=1.0, seed=1))
    assert len(found.ids) <= 4


def test_temperature_zero_takes_no_notice_of_the_seed(engine: Engine, prompt: list[int]) -> None:
    greedy = [
        engine.generate(prompt, Parameters(temperature=0, seed=seed, max_tokens=8))[0].ids
        for seed in (1, 2)
    ]
    assert greedy[0] == greedy[1]


def test_the_fast_engine_agrees_with_the_reference(folder: Path, prompt: list[int]) -> None:
    """Same weights in float32, likeliest token each time: same ids, same log-probabilities."""
    found = []
    for name in ("tensorflow", "llama"):
        engine = load_engine(name, folder, slots=1, threads=1)  # type: ignore[arg-type]  # a Literal
        found += engine.generate(prompt, Parameters(temperature=0, max_tokens=24))
        engine.close()
    assert len(found[0].ids) > 3
    assert found[0].ids == found[1].ids
    np.testing.assert_allclose(found[0].logprobs, found[1].logprobs, atol=2e-3)


def test_many_threads_may_ask_llama_at_once(folder: Path, prompt: list[int]) -> None:
    engine = load_engine("llama", folder, slots=3, threads=1)
    results: list[int] = []

    def ask(seed: int) -> None:
        for continuation in engine.generate(prompt, Parameters(n=2, max_tokens=8, seed=seed)):
            results.append(len(continuation.ids))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    assert len(results) == 16


def test_llama_opens_no_port(folder: Path) -> None:
    engine = load_engine("llama", folder, slots=1, threads=1)
    listening = [
        connection.laddr
        for connection in psutil.Process().net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.family != socket.AF_UNIX
    ]
    engine.close()
    assert listening == []


def test_tensorflow_does_not_grow_from_call_to_call(folder: Path, prompt: list[int]) -> None:
    engine = load_engine("tensorflow", folder, slots=1, threads=1)
    process = psutil.Process()

    def megabytes_after(calls: int) -> float:
        for seed in range(calls):
            engine.generate(prompt, Parameters(max_tokens=10, seed=seed), cancelled=never_cancelled)
        gc.collect()
        return process.memory_info().rss / 1e6

    warm = megabytes_after(10)
    assert megabytes_after(40) - warm < 20
    engine.close()


@pytest.mark.parametrize(
    ("name", "missing", "sentence"),
    [
        ("llama", "*.gguf", r"botconvo convert '/.*/a copy'$"),
        ("tensorflow", "checkpoint", "serve it with --engine llama"),
    ],
)
def test_a_missing_file_is_named_with_the_way_out(
    folder: Path, tmp_path: Path, name: EngineName, missing: str, sentence: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "a copy")
    for path in copy.glob(missing):
        path.unlink()
    with pytest.raises(EngineUnavailable, match=sentence):
        load_engine(name, copy, slots=1, threads=1)


def test_a_copied_folder_speaks_with_its_own_weights_and_not_the_original_s(
    folder: Path, tmp_path: Path, prompt: list[int]
) -> None:
    """gpt-2-simple notes its weights by their whole path."""
    original = shutil.copytree(folder, tmp_path / "original")
    named = re.search(r'path: "([^"]+)"', (original / "checkpoint").read_text())
    assert named is not None
    note = f'model_checkpoint_path: "{original / named[1]}"\n'
    (original / "checkpoint").write_text(note)
    copy = shutil.copytree(original, tmp_path / "copy")
    for path in original.glob("model-*.data-*"):
        path.write_bytes(bytes(path.stat().st_size))  # whoever reads it speaks nonsense
    engines = [load_engine("tensorflow", place, slots=1, threads=1) for place in (folder, copy)]
    greedy = Parameters(max_tokens=8, temperature=0)
    said = [engine.generate(prompt, greedy)[0].ids for engine in engines]
    assert said[0] == said[1]
    (copy / f"{named[1]}.index").write_bytes(b"damaged")
    with pytest.raises(EngineUnavailable, match="are damaged or another model's"):
        load_engine("tensorflow", copy, slots=1, threads=1)
    (copy / f"{named[1]}.index").unlink()
    with pytest.raises(EngineUnavailable, match=r"names .* is not there; copy it too"):
        load_engine("tensorflow", copy, slots=1, threads=1)


@pytest.mark.parametrize("size", [2, 3])
def test_no_sequence_comes_twice_when_that_is_asked_for(
    engine: Engine, prompt: list[int], size: int
) -> None:
    parameters = Parameters(n=3, max_tokens=30, seed=4, no_repeat_ngram=size)
    for continuation in engine.generate(prompt, parameters):
        tokens = [*prompt, *continuation.ids]
        grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
        drawn = grams[len(prompt) - size + 1 :]
        earlier = grams[: len(prompt) - size + 1]
        assert len(set(drawn)) == len(drawn) and not set(drawn) & set(earlier)


def test_the_likeliest_tokens_are_told_when_asked_for(engine: Engine, prompt: list[int]) -> None:
    parameters = Parameters(n=2, max_tokens=5, seed=4, top_logprobs=3)
    for continuation in engine.generate(prompt, parameters):
        assert len(continuation.top) == len(continuation.ids)
        for token, logprob, top in zip(
            continuation.ids, continuation.logprobs, continuation.top, strict=True
        ):
            assert 1 <= len(top) <= 3
            assert list(top.values()) == sorted(top.values(), reverse=True)
            assert token not in top or top[token] == pytest.approx(logprob, abs=1e-4)


def test_more_candidates_than_the_window_holds_are_drawn_in_turns(
    folder: Path, prompt: list[int]
) -> None:
    loaded = load_engine("llama", folder, slots=8, threads=1)
    try:
        found = loaded.generate(prompt, Parameters(n=16, max_tokens=500, seed=1))
        assert len(found) == 16
        assert all(len(prompt) + len(c.ids) <= loaded.window for c in found)
    finally:
        loaded.close()


def test_a_flood_of_generations_overflows_nothing(folder: Path, prompt: list[int]) -> None:
    """All slots of llama.cpp share one window; when that overflows, all requests in it fail."""
    loaded = load_engine("llama", folder, slots=8, threads=1)
    long = (prompt * 9)[:40]
    try:
        with ThreadPoolExecutor(40) as pool:
            parameters = [Parameters(n=1 + i % 8, max_tokens=60, seed=i) for i in range(80)]
            found = list(pool.map(lambda p: loaded.generate(long, p), parameters))
    finally:
        loaded.close()
    assert [len(continuations) for continuations in found] == [1 + i % 8 for i in range(80)]
    assert all(c.ids or c.stopped == "stop" for continuations in found for c in continuations)
