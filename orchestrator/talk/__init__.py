"""Pure: who says what next, and when. Knows no server, platform or await."""
