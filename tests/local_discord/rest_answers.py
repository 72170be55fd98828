"""How a bot answers an interaction: at once, later, with more lines, or with proposals.

Source: https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

from . import posting, shapes
from .errors import (
    ALREADY_ACKNOWLEDGED,
    INVALID_WEBHOOK_TOKEN,
    UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    Refused,
    bad_field,
)
from .interactions import (
    ANSWER_WITHIN_S,
    AUTOCOMPLETE,
    COMPONENT,
    MESSAGE_MENU,
    TOKEN_LIVES_S,
    Interaction,
)
from .posting import CHAT_INPUT_COMMAND, CONTEXT_MENU_COMMAND, EPHEMERAL, LOADING, REPLY
from .rest import Call
from .world import Json, Message

MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, PROPOSALS = 4, 5, 6, 7, 8
MOST_PROPOSALS = 25


async def callback(call: Call) -> Json | None:
    """POST /interactions/{webhook_id}/{webhook_token}/callback: the first answer"""
    asked = call.service.interactions.get(call.request.match_info["webhook_token"])
    if asked is None or asked.id != call.id_of("webhook_id") or asked.age_s > ANSWER_WITHIN_S:
        raise Refused(UNKNOWN_INTERACTION)
    if asked.answer_kind is not None:
        raise Refused(ALREADY_ACKNOWLEDGED)
    kind, data = call.form.get("type"), call.form.get("data") or {}
    if kind == PROPOSALS and asked.kind == AUTOCOMPLETE:
        asked.choices = _proposals(data)
    elif kind == MESSAGE and asked.kind != AUTOCOMPLETE:
        _show(call, asked, _draft(call, asked, data))
    elif kind == DEFERRED and asked.kind != AUTOCOMPLETE:
        _think(call, asked, int(data.get("flags") or 0) & EPHEMERAL)
    elif kind in (UPDATE, DEFERRED_UPDATE) and asked.kind == COMPONENT and asked.on is not None:
        if kind == UPDATE:
            posting.edit(call.service, asked.channel, asked.on, data, call.files)
        asked.messages.append(asked.on)
    else:
        raise bad_field("type", "BASE_TYPE_CHOICES", f"Value {kind!r} does not fit here.")
    asked.answer_kind = kind
    call.service.changes.notify()
    if call.request.query.get("with_response", "0").lower() not in ("1", "true"):
        return None
    return _told(call, asked)


def _proposals(data: Json) -> list[Json]:
    choices = data.get("choices") or []
    if len(choices) > MOST_PROPOSALS:
        raise bad_field("data.choices", "BASE_TYPE_MAX_LENGTH",
                        f"Must be {MOST_PROPOSALS} or fewer in length.")  # fmt: skip
    for index, each in enumerate(choices):
        if not 1 <= len(str(each.get("name", ""))) <= 100:
            raise bad_field(f"data.choices.{index}.name", "BASE_TYPE_BAD_LENGTH",
                            "Must be between 1 and 100 in length.")  # fmt: skip
    return list(choices)


def _told(call: Call, asked: Interaction) -> Json:
    """What Discord says of a first answer when asked `with_response`."""
    told: Json = {"id": str(asked.id), "type": asked.kind}
    if not asked.messages:
        return {"interaction": told}
    first = asked.messages[0]
    told |= {"response_message_id": str(first.id), "response_message_ephemeral": first.ephemeral,
             "response_message_loading": bool(first.flags & LOADING)}  # fmt: skip
    return {"interaction": told,
            "resource": {"type": asked.answer_kind, "message": _body(call, first)}}  # fmt: skip


def _draft(call: Call, asked: Interaction, form: Json) -> posting.Draft:
    """An answer as a draft; a bot's form may not reply to other messages from here."""
    form = {name: value for name, value in form.items() if name != "message_reference"}
    kind = CONTEXT_MENU_COMMAND if asked.data.get("type") == MESSAGE_MENU else CHAT_INPUT_COMMAND
    return posting.Draft(asked.bot.user, form, call.files, application_id=asked.bot.id,
                         interaction=asked.metadata(), kind=kind)  # fmt: skip


def _show(call: Call, asked: Interaction, draft: posting.Draft) -> Message:
    """Show an answer: in the channel, or (ephemeral) only to the one who asked."""
    message = posting.build(call.service, asked.channel, draft)
    asked.messages.append(message)
    if message.ephemeral:
        call.service.changes.notify()
    else:
        posting.publish(call.service, asked.channel, message)
    return message


def _think(call: Call, asked: Interaction, ephemeral: int) -> None:
    """Show "is thinking ..." until the answer comes."""
    draft = _draft(call, asked, {})
    message = Message(
        call.service.world.snowflakes.new(), asked.channel.id, asked.channel.guild_id,
        draft.author, "", webhook_id=asked.bot.id, application_id=asked.bot.id, kind=draft.kind,
        flags=LOADING | ephemeral, interaction=draft.interaction,
    )  # fmt: skip
    asked.messages.append(message)
    if not ephemeral:
        posting.publish(call.service, asked.channel, message)


def _alive(call: Call) -> Interaction:
    """The interaction of the token in the path, which must have been answered at least once."""
    asked = call.service.interactions[call.request.match_info["webhook_token"]]
    if asked.age_s > TOKEN_LIVES_S:
        raise Refused(INVALID_WEBHOOK_TOKEN)
    if asked.bot.id != call.id_of("webhook_id") or asked.answer_kind is None:
        raise Refused(UNKNOWN_WEBHOOK)
    return asked


def _named(call: Call) -> tuple[Interaction, Message]:
    """The answer that the path names, by id or as @original."""
    asked = _alive(call)
    name = call.request.match_info["message_id"]
    found = asked.messages[:1] if name == "@original" else [
        each for each in asked.messages if str(each.id) == name]  # fmt: skip
    if not found:
        raise Refused(UNKNOWN_MESSAGE)
    return asked, found[0]


def _body(call: Call, message: Message) -> Json:
    return shapes.message(message, call.service.world, call.service.site, message.application_id)


async def follow_up(call: Call) -> Json:
    """POST /webhooks/{webhook_id}/{webhook_token}: a further line; the first after "is thinking"
    takes its place and stays as visible as it was."""
    asked = _alive(call)
    if asked.messages and asked.messages[0].flags & LOADING:
        posting.edit(call.service, asked.channel, asked.messages[0], call.form, call.files)
        call.service.changes.notify()
        return _body(call, asked.messages[0])
    draft = _draft(call, asked, call.form)
    draft.kind = REPLY if asked.messages else draft.kind
    return _body(call, _show(call, asked, draft))


async def get_answer(call: Call) -> Json:
    """GET /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    return _body(call, _named(call)[1])


async def edit_answer(call: Call) -> Json:
    """PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    asked, message = _named(call)
    posting.edit(call.service, asked.channel, message, call.form, call.files)
    call.service.changes.notify()
    return _body(call, message)


async def delete_answer(call: Call) -> None:
    """DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    asked, message = _named(call)
    asked.messages.remove(message)
    if not message.ephemeral:
        posting.delete(call.service, asked.channel, message)
    call.service.changes.notify()
