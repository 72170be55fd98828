"""Who may view what: against Discord's documented algorithm, for all possible members."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import chain, combinations

import discord
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.platforms.discord.listening import (
    ChannelViews,
    Overwrite,
    Refusal,
    RoleViews,
    ServerViews,
    may_listen,
)
from tests import local_discord
from tests.local_discord import Channel, LocalDiscord
from tests.local_discord.permissions import ADMINISTRATOR, VIEW_CHANNEL, permissions_in
from tests.local_discord.world import Guild, Member, Role, User, World

SERVER, STAGE, OTHER, OWNER = 1, 2, 3, 4
ROLES = tuple(range(10, 14))
MEMBERS = (20, 21)
"""Those that may have overwrites of their own; 22 has none."""
NOBODY_SPECIAL = 22


@dataclass(frozen=True, slots=True)
class Case:
    """A server with two channels, in our words and with Discord's bits."""

    server: ServerViews
    stage: ChannelViews
    other: ChannelViews


def role_views(name: str) -> st.SearchStrategy[RoleViews]:
    # Few administrators: they see everything, and nothing is left to be found.
    return st.builds(RoleViews, st.just(name), st.sampled_from([False] * 9 + [True]), st.booleans())


overwrites = st.sampled_from(
    [Overwrite(), Overwrite(allow=True), Overwrite(deny=True), Overwrite(allow=True, deny=True)]
)
channels = st.builds(
    ChannelViews,
    overwrites,
    st.dictionaries(st.sampled_from(ROLES), overwrites, max_size=4),
    st.dictionaries(st.sampled_from((*MEMBERS, OWNER)), overwrites, max_size=2),
)
servers = st.builds(
    ServerViews,
    role_views("@everyone"),
    st.fixed_dictionaries({}, optional={role: role_views(f"R{role}") for role in ROLES}),
)
cases = st.builds(Case, servers, channels, channels)


def bits(views: RoleViews) -> int:
    return ADMINISTRATOR * views.sees_all | VIEW_CHANNEL * views.views


def channel_of(number: int, views: ChannelViews) -> Channel:
    over = [(SERVER, True, views.everyone)]
    over += [(role, True, o) for role, o in views.roles.items()]
    over += [(member, False, o) for member, o in views.members.items()]
    return Channel(number, SERVER, str(number), overwrites=[
        local_discord.Overwrite(who, is_role, VIEW_CHANNEL * o.allow, VIEW_CHANNEL * o.deny)
        for who, is_role, o in over
    ])  # fmt: skip


def world_of(case: Case) -> tuple[World, Guild, Channel, Channel]:
    world, guild = World(), Guild(SERVER, "Friends", OWNER)
    guild.roles = {
        SERVER: Role(SERVER, SERVER, "@everyone", bits(case.server.everyone)),
        **{n: Role(n, SERVER, v.name, bits(v)) for n, v in case.server.roles.items()},
    }
    world.guilds[SERVER] = guild
    stage, other = channel_of(STAGE, case.stage), channel_of(OTHER, case.other)
    return world, guild, stage, other


def everybody(case: Case) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Every member that there could be: each with each set of roles."""
    roles = list(case.server.roles)
    subsets = list(chain.from_iterable(combinations(roles, n) for n in range(len(roles) + 1)))
    for member in (OWNER, *MEMBERS, NOBODY_SPECIAL):
        for subset in subsets:
            yield member, subset


def sees(case: Case, member: int, roles: tuple[int, ...]) -> tuple[bool, bool]:
    """Whether Discord lets this member view the stage, and the other channel."""
    world, guild, stage, other = world_of(case)
    guild.members[member] = Member(User(member, "m"), SERVER, role_ids=list(roles))
    found = [bool(permissions_in(world, c, member) & VIEW_CHANNEL) for c in (stage, other)]
    return found[0], found[1]


TWO_ROLES = Case(
    ServerViews(RoleViews("@everyone", views=True), {n: RoleViews(f"R{n}") for n in ROLES[:2]}),
    ChannelViews(Overwrite(deny=True), {ROLES[0]: Overwrite(allow=True)}),
    ChannelViews(roles={ROLES[1]: Overwrite(deny=True)}),
)
"""One role lets people onto the stage, the other hides the channel: who has both is left out."""


@example(TWO_ROLES)
@given(cases)
def test_nobody_who_could_be_a_member_hears_of_what_they_may_not_view(case: Case) -> None:
    found = case.server.left_out(case.stage, case.other, OWNER)
    left_out = [who for who in everybody(case) if sees(case, *who) == (True, False)]
    assert (found is None) == (not left_out)


@given(cases)
def test_a_refusal_names_somebody_who_really_could_not_view_the_channel(case: Case) -> None:
    found = case.server.left_out(case.stage, case.other, OWNER)
    if found is not None:
        roles, member = found
        assert len(roles) <= 2
        assert sees(case, member or NOBODY_SPECIAL, roles) == (True, False)


@given(cases, st.sampled_from((*MEMBERS, NOBODY_SPECIAL)), st.sets(st.sampled_from(ROLES)))
def test_who_may_view_a_channel_is_as_discord_says(case: Case, member: int, held: set[int]) -> None:
    roles = tuple(role for role in held if role in case.server.roles)
    own = [views.members.get(member, Overwrite()) for views in (case.stage, case.other)]
    found = (
        case.server.may_view(case.stage, roles, own[0]),
        case.server.may_view(case.other, roles, own[1]),
    )
    assert found == sees(case, member, roles)


def test_a_server_full_of_roles_is_judged_at_once() -> None:
    """Two hundred and fifty roles are as many as Discord allows; no pair of them is tried twice."""
    roles = {n: RoleViews(f"R{n}", views=n % 2 == 0) for n in range(250)}
    allowed = {n: Overwrite(allow=n % 3 == 0, deny=n % 3 == 1) for n in range(250)}
    server = ServerViews(RoleViews("@everyone"), roles)
    tried = sum(1 for _ in server._mixtures(ChannelViews(roles=allowed), ChannelViews()))
    assert tried <= 1 + 6 + 15


# --- through discord.py -----------------------------------------------------------------------


class Scene:
    """Two channels of a server, and what a connected bot makes of them."""

    def __init__(self, local: LocalDiscord, client: discord.Client) -> None:
        self.local, self.client = local, client
        self.guild = next(iter(local.world.guilds.values()))
        self.stage, self.other = list(self.guild.channels.values())[:2]

    def judged(self, other: Channel | None = None) -> Refusal | None:
        stage = self.client.get_channel(self.stage.id)
        assert isinstance(stage, discord.TextChannel)
        return may_listen(stage, self.client.get_channel((other or self.other).id))

    @contextlib.asynccontextmanager
    async def told(self, event: str) -> AsyncIterator[None]:
        """Waits until the client has heard of what happens meanwhile."""
        heard = asyncio.ensure_future(self.client.wait_for(event, timeout=10))
        await asyncio.sleep(0)  # so that it listens
        yield
        await heard


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with LocalDiscord(limits=None) as local:
        guild = local.add_guild("Friends")
        local.add_channel(guild, "stage")
        local.add_channel(guild, "other")
        bot = local.add_bot("BotConvo", guild)
        client = discord.Client(intents=discord.Intents(guilds=True), guild_ready_timeout=0.05)
        with local.pointed():
            await client.login(bot.token)
            running = asyncio.create_task(client.connect())
            try:
                await asyncio.wait_for(client.wait_until_ready(), 10)
                yield Scene(local, client)
            finally:
                await client.close()
                await running


async def test_channels_that_everybody_may_view_are_heard(scene: Scene) -> None:
    assert scene.judged() is None


async def test_a_channel_hidden_from_everyone_is_heard_until_the_stage_is_hidden_too(
    scene: Scene,
) -> None:
    me = scene.local.bot_role(next(iter(scene.local.world.bots.values())), scene.guild)
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, me, allow=VIEW_CHANNEL)
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, scene.guild.everyone, deny=VIEW_CHANNEL)
    refusal = scene.judged()
    assert refusal is not None
    assert refusal.who == "@everyone"
    assert refusal.reason == (
        "#other is not listened to: @everyone may view #stage and perhaps not #other, and would "
        "read there what was said here; let them view both, or neither."
    )
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.stage, scene.guild.everyone, deny=VIEW_CHANNEL)
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.stage, me, allow=VIEW_CHANNEL)
    assert scene.judged() is None


@pytest.mark.parametrize("by_role_on", ["stage", "other"])
async def test_how_the_bot_itself_is_let_in_is_no_reason_to_refuse(
    scene: Scene, by_role_on: str
) -> None:
    bot = next(iter(scene.local.world.bots.values()))
    role = scene.local.bot_role(bot, scene.guild)
    for channel in (scene.stage, scene.other):
        who = role if channel.name == by_role_on else bot
        async with scene.told("guild_channel_update"):
            scene.local.set_permissions(channel, who, allow=VIEW_CHANNEL)
        async with scene.told("guild_channel_update"):
            scene.local.set_permissions(channel, scene.guild.everyone, deny=VIEW_CHANNEL)
    assert scene.judged() is None


async def test_who_is_left_out_only_by_two_roles_together_is_named_by_both(scene: Scene) -> None:
    for name in ("In", "Out"):
        async with scene.told("guild_role_create"):
            scene.local.add_role(scene.guild, name)
    let_in, hidden = [role for role in scene.local.roles(scene.guild) if role.name in ("In", "Out")]
    for channel, target, allow, deny in (
        (scene.stage, scene.guild.everyone, 0, VIEW_CHANNEL),
        (scene.stage, let_in, VIEW_CHANNEL, 0),
        (scene.other, hidden, 0, VIEW_CHANNEL),
    ):
        async with scene.told("guild_channel_update"):
            scene.local.set_permissions(channel, target, allow=allow, deny=deny)
    refusal = scene.judged()
    assert refusal is not None
    assert refusal.who == "somebody with the roles In and Out"


async def test_a_role_that_lets_people_onto_the_stage_only_is_named(scene: Scene) -> None:
    async with scene.told("guild_role_create"):
        guests = scene.local.add_role(scene.guild, "Guests")
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, guests, deny=VIEW_CHANNEL)
    refusal = scene.judged()
    assert refusal is not None
    assert refusal.who == "the role Guests"
    async with scene.told("guild_role_update"):
        scene.local.set_role_permissions(guests, ADMINISTRATOR)
    assert scene.judged() is None


async def test_a_member_who_is_let_in_alone_is_named(scene: Scene) -> None:
    carl = scene.local.add_person("carl", scene.guild)
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, carl, deny=VIEW_CHANNEL)
    refusal = scene.judged()
    assert refusal is not None
    assert refusal.who == f"the member {carl.id}"


async def test_channels_of_other_servers_threads_and_hidden_ones_are_never_heard(
    scene: Scene,
) -> None:
    bot = next(iter(scene.local.world.bots.values()))
    async with scene.told("guild_available"):
        scene.local.join(bot, elsewhere := scene.local.add_guild("Elsewhere"))
    async with scene.told("guild_channel_create"):
        far = scene.local.add_channel(elsewhere, "far")
    async with scene.told("thread_create"):
        thread = scene.local.add_thread(scene.other, "aside")
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, bot, deny=VIEW_CHANNEL)
    found = [scene.judged(channel) for channel in (far, thread, scene.other)]
    assert [refusal and refusal.reason for refusal in found] == [
        "#far is not listened to: it is of another server.",
        "#aside is not listened to: it is no text channel.",
        "#other is not listened to: the bot itself may not view it; give it View Channel there.",
    ]


async def test_an_age_restricted_channel_is_not_heard_where_the_stage_is_for_all(
    scene: Scene,
) -> None:
    scene.other.nsfw = True
    async with scene.told("guild_channel_update"):
        scene.local.set_permissions(scene.other, scene.guild.everyone, allow=VIEW_CHANNEL)
    refusal = scene.judged()
    assert refusal is not None
    assert "age-restricted" in refusal.reason
