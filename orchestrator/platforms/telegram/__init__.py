"""The show in a Telegram group, and friends in private chats, by python-telegram-bot."""
