"""A Telegram of our own on loopback: the part of the Bot API that BotConvo uses, with people who
write, edit, reply and press buttons, and with everything that can go wrong on the way."""

from .faults import Fault, Faults
from .server import LocalTelegram
from .world import Bot, Chat, Message, Person

__all__ = ["Bot", "Chat", "Fault", "Faults", "LocalTelegram", "Message", "Person"]
