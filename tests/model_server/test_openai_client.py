"""The official `openai` client against a real server: it works unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from model_server import wire
from tests.model_server.running import Running, running

KEY = "a-key-of-twenty-letters"
LINE: Any = [{"role": "user", "name": "Dex", "content": "LISTEN, soup for everybody!!"}]
PROMPT = "Dex: LISTEN, soup for everybody!!\nMarlow:"


@pytest.fixture(scope="module")
def server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    key_file = folder / "key"
    key_file.write_text(KEY, encoding="utf-8")
    key_file.chmod(0o600)
    with running(
        folder / "log", checkpoints / "marlow", "--engine", "llama", "--key-file", key_file
    ) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_the_one_model_is_listed_and_can_be_looked_up(client: openai.OpenAI) -> None:
    [card] = client.models.list()
    assert (card.id, card.object, card.owned_by) == ("Marlow", "model", "botconvo")
    assert card.created > 1_600_000_000
    assert client.models.retrieve("Marlow") == card
    assert card.model_extra is not None
    assert card.model_extra["botconvo"]["speaker"] == "Marlow"


def test_a_chat_completion_says_something_and_counts_its_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="Marlow", messages=LINE, seed=1, max_tokens=20)
    assert answer.object == "chat.completion"
    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert isinstance(choice.message.content, str)
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens > 0


def test_a_completion_goes_on_from_text_and_from_token_ids(client: openai.OpenAI) -> None:
    prompts: tuple[str | list[int], ...] = (PROMPT, [68, 69, 70])
    for prompt in prompts:
        answer = client.completions.create(model="Marlow", prompt=prompt, seed=1, max_tokens=8)
        assert answer.object == "text_completion"
        assert len(answer.choices) == 1
        assert answer.usage is not None
        assert answer.usage.prompt_tokens >= 3


def test_echo_puts_the_prompt_in_front(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="m", prompt=PROMPT, echo=True, max_tokens=3, seed=1)
    assert answer.choices[0].text.startswith(PROMPT)


@pytest.mark.parametrize("seed", range(6))
def test_the_parts_of_a_streamed_chat_joined_are_the_whole_answer(
    client: openai.OpenAI, seed: int
) -> None:
    wish: dict[str, Any] = {"model": "m", "messages": LINE, "seed": seed, "n": 1, "max_tokens": 30}
    whole = client.chat.completions.create(**wish).choices[0]
    parts = list(client.chat.completions.create(**wish, stream=True))
    assert {part.object for part in parts} == {"chat.completion.chunk"}
    assert len({part.id for part in parts}) == 1
    deltas = [part.choices[0].delta for part in parts]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == whole.message.content
    reasons = [part.choices[0].finish_reason for part in parts]
    assert reasons == [None] * (len(parts) - 1) + [whole.finish_reason]


@pytest.mark.parametrize("seed", range(6))
def test_the_parts_of_a_streamed_completion_joined_are_the_whole_text(
    client: openai.OpenAI, seed: int
) -> None:
    wish: dict[str, Any] = {"model": "m", "prompt": PROMPT, "seed": seed, "n": 1, "max_tokens": 30}
    whole = client.completions.create(**wish).choices[0]
    parts = [part.choices[0] for part in client.completions.create(**wish, stream=True)]
    assert "".join(part.text for part in parts) == whole.text
    assert parts[-1].finish_reason == whole.finish_reason


def test_a_streamed_chat_can_begin_with_a_phrase(client: openai.OpenAI) -> None:
    own = {"botconvo": {"phrase": "the soup", "begin_with_phrase": True}}
    wish: dict[str, Any] = {"model": "m", "messages": LINE, "seed": 3, "n": 1, "max_tokens": 10}
    whole = client.chat.completions.create(**wish, extra_body=own).choices[0].message.content
    parts = client.chat.completions.create(**wish, extra_body=own, stream=True)
    joined = "".join(part.choices[0].delta.content or "" for part in parts)
    assert whole is not None
    assert whole.startswith("the soup")
    assert joined == whole


def test_several_are_streamed_each_under_its_number(client: openai.OpenAI) -> None:
    parts = list(
        client.chat.completions.create(
            model="m", messages=LINE, n=3, seed=1, max_tokens=10, stream=True
        )
    )
    ended = [part.choices[0].index for part in parts if part.choices[0].finish_reason]
    assert sorted(ended) == [0, 1, 2]


def test_n_gives_so_many_and_the_same_seed_the_same_again(client: openai.OpenAI) -> None:
    def texts(seed: int) -> list[str | None]:
        answer = client.chat.completions.create(
            model="m", messages=LINE, n=4, seed=seed, max_tokens=12, temperature=1
        )
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        return [choice.message.content for choice in answer.choices]

    assert texts(7) == texts(7)
    assert any(texts(7) != texts(other) for other in (8, 9, 10))


def test_a_stop_text_ends_a_completion_and_is_not_part_of_it(client: openai.OpenAI) -> None:
    wish: dict[str, Any] = {"model": "m", "prompt": PROMPT, "temperature": 0, "max_tokens": 24}
    whole = client.completions.create(**wish).choices[0].text
    stop = whole[1:3]
    assert stop
    for stops in (stop, [stop, "never said"]):
        [choice] = client.completions.create(**wish, stop=stops).choices
        assert choice.text == whole[: whole.index(stop)]
        assert choice.finish_reason == "stop"


def test_so_many_tokens_at_most_by_either_name(client: openai.OpenAI) -> None:
    wish: dict[str, Any] = {"model": "m", "messages": LINE, "n": 1, "temperature": 0}
    for name in ("max_tokens", "max_completion_tokens"):
        usage = client.chat.completions.create(**wish | {name: 2}).usage
        assert usage is not None
        assert usage.completion_tokens <= 2


def test_logprobs_of_a_chat_come_in_its_shape(client: openai.OpenAI) -> None:
    [choice] = client.chat.completions.create(
        model="m", messages=LINE, n=1, seed=1, max_tokens=6, logprobs=True, top_logprobs=3
    ).choices
    assert choice.logprobs is not None
    assert choice.logprobs.content
    for token in choice.logprobs.content:
        assert token.logprob <= 0
        assert bytes(token.bytes or []).decode(errors="replace") == token.token
        likely = [top.logprob for top in token.top_logprobs]
        assert len(likely) == 3
        assert likely == sorted(likely, reverse=True)
        assert likely[0] >= token.logprob - 1e-4


def test_logprobs_of_a_completion_come_in_the_older_shape(client: openai.OpenAI) -> None:
    [choice] = client.completions.create(
        model="m", prompt=PROMPT, n=1, seed=1, max_tokens=6, logprobs=2, echo=True
    ).choices
    told = choice.logprobs
    assert told is not None
    assert told.tokens and told.token_logprobs and told.top_logprobs and told.text_offset
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs)
    assert told.text_offset[0] == len(PROMPT)
    assert all(1 <= len(top) <= 2 for top in told.top_logprobs)


def test_logprobs_are_streamed_with_the_text_they_belong_to(client: openai.OpenAI) -> None:
    wish: dict[str, Any] = {"model": "m", "seed": 1, "n": 1, "max_tokens": 8, "stream": True}
    parts = list(client.chat.completions.create(messages=LINE, logprobs=True, **wish))
    told = [part.choices[0].logprobs for part in parts if part.choices[0].logprobs]
    assert all(t.logprob <= 0 for logprobs in told for t in logprobs.content or [])
    assert told
    pieces = list(client.completions.create(prompt=PROMPT, logprobs=1, **wish))
    olds = [piece.choices[0].logprobs for piece in pieces if piece.choices[0].logprobs]
    assert olds
    assert all(len(old.tokens or []) == len(old.token_logprobs or []) for old in olds)


def test_without_logprobs_there_are_none(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="m", messages=LINE, n=1, max_tokens=2)
    assert answer.choices[0].logprobs is None


def test_usage_comes_last_in_a_stream_if_asked_for(client: openai.OpenAI) -> None:
    wish: dict[str, Any] = {
        "model": "m",
        "messages": LINE,
        "seed": 1,
        "n": 1,
        "max_tokens": 8,
        "stream": True,
    }
    *parts, last = client.chat.completions.create(**wish, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0
    assert all(part.choices for part in parts)
    assert all(part.choices for part in client.chat.completions.create(**wish))


def test_a_stream_that_is_left_early_can_be_followed_by_another_request(
    client: openai.OpenAI,
) -> None:
    for _ in range(12):  # more than there are slots
        with client.completions.create(
            model="m", prompt=PROMPT, max_tokens=1024, stream=True
        ) as stream:
            next(iter(stream))
    assert client.completions.create(model="m", prompt=PROMPT, max_tokens=1).choices


async def test_the_asynchronous_client_works_too(server: Running) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
        assert [card.id async for card in client.models.list()] == ["Marlow"]
        wish: dict[str, Any] = {"model": "m", "messages": LINE, "seed": 2, "n": 1, "max_tokens": 12}
        whole = await client.chat.completions.create(**wish)
        joined = ""
        async for part in await client.chat.completions.create(**wish, stream=True):
            joined += part.choices[0].delta.content or ""
        assert joined == whole.choices[0].message.content
        text = await client.completions.create(model="m", prompt=PROMPT, seed=2, max_tokens=4)
        assert text.choices


def test_a_wrong_value_is_a_bad_request_that_names_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="m", messages=LINE, n=wire.MAX_CANDIDATES + 1)
    assert caught.value.param == "n"
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="m", prompt=["two", "prompts"])
    assert (caught.value.param or "").split(".")[0] == "prompt"
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model="m", prompt=PROMPT, n=0, stream=True)


def test_an_unknown_model_or_path_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("Nobody")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="x")


@pytest.mark.parametrize("key", ["another-key", KEY + "x", KEY[:-1]])
def test_a_wrong_key_is_an_authentication_error(server: Running, key: str) -> None:
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="m", messages=LINE)
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"
    assert key not in str(caught.value)
