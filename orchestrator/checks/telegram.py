"""Telegram: are the token, the group and what the bot may do there as the stages need them; and the
way there from nothing. Loads python-telegram-bot only if the settings name a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.cast import Show
from orchestrator.checks import Finding, Patient
from orchestrator.checks.chat_stages import Findings, chat_stages
from orchestrator.platforms.telegram.settings import TelegramStage

STEPS = (
    "In Telegram, open a chat with @BotFather, send /newbot, and choose a name and a user name "
    "that ends in bot. It answers with the token. Whoever has that is your bot, so it goes into a "
    "file that only you may read: run the line below, paste the token, press Enter, then Ctrl-D. "
    "(Windows: save it as telegram.token with Notepad, beside settings.toml.)\n"
    "    (umask 077; cat > telegram.token)",
    "Send /setprivacy to @BotFather, choose your bot, then Disable. Otherwise the friends hear "
    "only commands and replies to their own lines. (Or make the bot an administrator of the group "
    "later; then it also sees reactions.)",
    "Make a group for the show, or take one, and add the bot: the group's name, Add Members, then "
    "the bot's user name. Do this after step 2: the change counts only from when it joins.",
    "Put this into settings.toml; the id of the group is not known yet, so leave it as it is "
    "here:\n"
    "    [[stages]]\n"
    '    platform = "telegram"\n'
    '    token_file = "telegram.token"\n'
    "    chat = -1",
    "Send /start in the group, and run this again: it lists the groups in which somebody has just "
    "written, with their ids. Put the right one in place of -1.",
    "Run this once more, which looks whether all is well, and then: "
    "botconvo run --platform telegram",
    "To talk with one friend in private, add two lines to the stage, with your own id, which the "
    "bot tells when you send it /start in a private chat:\n"
    "    private = true\n"
    "    people = [123456789]",
)


def telegram(patient: Patient) -> Iterator[Finding]:
    """Every stage in a Telegram group; the steps to one if there is none and it is asked for."""

    def inspected(show: Show, stages: Sequence[TelegramStage]) -> Findings:
        from orchestrator.platforms.telegram.inspection import inspected

        return inspected(show, stages, is_posting=patient.is_posting)

    return chat_stages(patient, TelegramStage, inspected, STEPS)
