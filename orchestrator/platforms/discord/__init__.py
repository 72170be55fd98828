"""The show in a Discord channel, by discord.py."""
