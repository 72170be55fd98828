"""Discord: are the token, the server, the channel and the permissions there that the stages need;
and the way there from nothing. Loads discord.py only if the settings name a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.cast import Show
from orchestrator.checks import Finding, Patient
from orchestrator.checks.chat_stages import Findings, chat_stages
from orchestrator.platforms.discord.settings import DiscordStage

PORTAL = "https://discord.com/developers/applications"
PERMISSIONS = 275414846464
"""View Channel, Send Messages (in Threads), Read Message History, Manage Webhooks; a test holds
it against what the invitation asks for."""
STEPS = (
    f"Open {PORTAL}, press New Application and name it; that is the bot's name on Discord.",
    "On its page Bot, press Reset Token and copy the token. Whoever has it is your bot, so it goes "
    "into a file that only you may read: run the line below, paste the token, press Enter, then "
    "Ctrl-D. (Windows: save it as discord.token with Notepad, beside settings.toml.)\n"
    "    (umask 077; cat > discord.token)",
    "On the same page, switch on Message Content Intent and save. Without it the friends hear only "
    "who mentions the bot or replies to one of their lines.",
    "Invite the bot to your server: open the link below with the Application ID from the page "
    "General Information in place of APPLICATION_ID. You need the permission Manage Server there.\n"
    "    https://discord.com/oauth2/authorize?client_id=APPLICATION_ID"
    f"&scope=bot+applications.commands&permissions={PERMISSIONS}",
    "In Discord, open User Settings > Advanced and switch on Developer Mode. Then right-click the "
    "channel for the show (on a phone: hold it) and choose Copy Channel ID.",
    "Put this into settings.toml, with your channel's id:\n"
    "    [[stages]]\n"
    '    platform = "discord"\n'
    '    token_file = "discord.token"\n'
    "    channel = 123456789012345678",
    "Run this again, which looks whether all is well, and then: botconvo run --platform discord",
)


def discord(patient: Patient) -> Iterator[Finding]:
    """Every stage in a Discord channel; the steps to one if there is none and it is asked for."""

    def inspected(show: Show, stages: Sequence[DiscordStage]) -> Findings:
        from orchestrator.platforms.discord.inspection import inspected

        return inspected(show, stages, is_posting=patient.is_posting)

    return chat_stages(patient, DiscordStage, inspected, STEPS)
