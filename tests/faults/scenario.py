"""The list of scenarios: what each is called, where it applies, and the function that plays it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.floor import VENUES, Floor
from tests.faults.routes import Words, words_of

Play = Callable[[Floor, Words, str], str]
"""Plays a scenario in one of its variants, checks it, and says what came of it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the list; `elsewhere` says why it does not apply on a venue."""

    number: int
    title: str
    play: Play
    variants: tuple[str, ...]
    elsewhere: Callable[[str, str], str]


SCENARIOS: list[Scenario] = []


def everywhere(exchange: str, market_type: str) -> str:
    return ""


def scenario(
    number: int,
    title: str,
    variants: tuple[str, ...] = ("",),
    elsewhere: Callable[[str, str], str] = everywhere,
) -> Callable[[Play], Play]:
    """Enter a function into the list."""

    def entered(play: Play) -> Play:
        SCENARIOS.append(Scenario(number, title, play, variants, elsewhere))
        return play

    return entered


def cases() -> list[tuple[Scenario, str, str, str]]:
    """Return every scenario with every variant on every venue where it applies."""
    return [
        (one, exchange, market_type, variant)
        for one in sorted(SCENARIOS, key=lambda one: one.number)
        for exchange, market_type in VENUES
        if not one.elsewhere(exchange, market_type)
        for variant in one.variants
    ]


def words(floor: Floor) -> Words:
    return words_of(floor.connection.exchange, floor.connection.market_type)
