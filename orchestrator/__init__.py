"""The orchestrator: one asyncio process in which the bot-clones talk to each other."""
