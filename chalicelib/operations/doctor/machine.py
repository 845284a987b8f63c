"""Checks of `cts doctor` that need no AWS: Python, packages, the exchange and this machine's clock."""

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from threading import Thread
from typing import Any

from chalicelib.errors import UsageError
from chalicelib.exchanges.ccxt_public import EXCHANGES, load_exchange_class, reachable
from chalicelib.operations.doctor.errors import SET_CLOCK
from chalicelib.operations.doctor.findings import Check, Finding, Site

DISTRIBUTION = "cts-trade-engine"
OLDEST_PYTHON, PACKAGING_PYTHON = (3, 11), (3, 12)
MOST_SKEW = 1.0
"""Seconds: exchanges refuse orders whose time differs by more."""

EXCHANGE_SECONDS = 3.0


def python(_: Site, running: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Is this Python one that the engine, and one that packaging needs?"""
    found, oldest, packaging = (".".join(map(str, v)) for v in (running, OLDEST_PYTHON, PACKAGING_PYTHON))
    remedy = "rm -rf .venv && make install PYTHON=/path/to/python3.12"
    if running < OLDEST_PYTHON:
        return Finding("python", "fail", f"{found} is older than {oldest}", remedy)
    if running < PACKAGING_PYTHON:
        return Finding("python", "warn", f"{found} runs, but make package needs {packaging}", remedy)
    return Finding("python", "ok", found)


def packages(_: Site) -> Finding:
    """Are the installed packages those that are pinned?"""
    try:
        pins = dict(_pins(requires(DISTRIBUTION) or ()))
    except PackageNotFoundError:
        return Finding("packages", "warn", f"{DISTRIBUTION} is not installed", "make install")
    wrong = [text for name, wanted in pins.items() if (text := _difference(name, wanted))]
    if wrong:
        return Finding("packages", "fail", ", ".join(wrong), "rm -rf .venv && make install")
    return Finding("packages", "ok", f"{len(pins)} as pinned")


def _pins(requirements: Iterable[str]) -> Iterable[tuple[str, str]]:
    for requirement in requirements:
        name, mark, wanted = requirement.partition(";")[0].strip().partition("==")
        if mark:
            yield name.partition("[")[0], wanted


def _difference(name: str, wanted: str) -> str:
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    return "" if found == wanted else f"{name} is {found}, not {wanted}"


def exchange_answers(site: Site) -> Finding:
    """Does the exchange's public API answer?"""
    name = f"exchange {site.exchange}"
    if reachable(site.exchange, EXCHANGE_SECONDS, site.prepare):
        return Finding(name, "ok", "its public API answers from here")
    remedy = (
        "check the network, and whether the exchange serves this country; the functions' region may differ"
    )
    return Finding(name, "warn", f"no answer within {EXCHANGE_SECONDS:g} s from here", remedy)


def exchange_clock(site: Site) -> Finding:
    """Does this machine's time agree with the exchange's?"""
    name = f"clock against {site.exchange}"
    answers: list[tuple[float, float, float]] = []
    thread = Thread(target=_ask_time, args=(site, answers), daemon=True)
    thread.start()
    thread.join(EXCHANGE_SECONDS)
    if not answers:
        return Finding(name, "skipped", "it did not tell its time")
    asked, theirs, answered = answers[0]
    return judged_clock(name, theirs, 0.0, asked, answered)


def judged_clock(name: str, theirs: float, resolution: float, asked: float, answered: float) -> Finding:
    """Compare a clock with ours; it told its time, to `resolution` seconds, somewhen between two of ours.

    It fails only if no moment in between could make the difference smaller than MOST_SKEW.
    """
    skew = (asked + answered) / 2 - (theirs + resolution / 2)
    doubt = (answered - asked) / 2 + resolution / 2
    found = f"{abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}, give or take {doubt:.1f} s"
    if abs(skew) - doubt > MOST_SKEW:
        return Finding(name, "fail", found, SET_CLOCK)
    return Finding(name, "ok", found)


def exchange_keys(site: Site) -> Finding:
    """May the exchange keys trade, and not withdraw? Nobody can ask before there are connectors."""
    del site
    return Finding(
        "exchange keys",
        "skipped",
        "connections trade on paper: no connector uses keys yet, so none can be asked",
    )


def _ask_time(site: Site, answers: list[tuple[float, float, float]]) -> None:
    try:
        client: Any = load_exchange_class(site.exchange)({"timeout": int(EXCHANGE_SECONDS * 1000)})
        if site.prepare:
            site.prepare(client)
        asked = site.now()
        milliseconds = client.fetch_time()
        if milliseconds:
            answers.append((asked, milliseconds / 1000, site.now()))
    except Exception:
        # ccxt raises what it likes; that there is no answer is the answer.
        return


def check_exchange(name: str) -> None:
    """Raise UsageError for an exchange that this program does not know."""
    if name not in EXCHANGES:
        raise UsageError(f"unknown exchange {name!r}: use one of {', '.join(EXCHANGES)}")


CHECKS = (
    Check("python", python),
    Check("packages", packages),
    Check("exchange", exchange_answers),
    Check("clock against the exchange", exchange_clock),
    Check("exchange keys", exchange_keys),
)
