"""The terminal with an input line that stays at the bottom while lines come in above it."""
