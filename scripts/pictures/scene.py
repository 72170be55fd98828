"""What is played for the pictures: who types what, and after which line of the friends. The seed
makes the friends say the same each time, up to where a person is quicker or slower.

When the demo's models have changed the friends say something else, and a new scene has to be
found: run shows with several seeds, and put in what is worth three seconds of a stranger's time.
"""

from __future__ import annotations

from dataclasses import dataclass

SEED = 2


@dataclass(frozen=True, slots=True)
class Cue:
    """Something to do as soon as a line has been said."""

    after: str
    typed: str


FIRST_LINE = "i have read the horoscopes. it has no dialogue."
"""The recording begins with it."""
IN_THE_TERMINAL = (
    Cue("dialogue is a classic", "Marlow, what did you watch?"),
    Cue("i watched a documentary about the hedges", "/topic penguins"),
)
ON_THE_PAGE = Cue("it is called lamps.", "Juno, how does it end?")
LAST_LINE = "it is friday. it has no dialogue."
EXPLAINED = "There is a new one called Thursday."
"""The line whose reasons are open on the page."""
