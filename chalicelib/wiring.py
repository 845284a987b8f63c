"""Builds the World once per container: stores, queues, venues, clock. Heavy imports happen here, lazily."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chalicelib.settings import Settings, from_environment

if TYPE_CHECKING:
    from chalicelib.domain.connection import Connection
    from chalicelib.flows.world import MarketFeed, Metrics, Venue, World


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a local run or a test puts in the place of the deployed parts; None keeps the deployed one."""

    now: Callable[[], float] = time.time
    owner: Callable[[], str] = lambda: uuid4().hex
    feed: Callable[[str], MarketFeed] | None = None
    metrics: Metrics | None = None
    span: Callable[[str], AbstractContextManager[Any]] | None = None
    on_aws_call: Callable[[str], None] | None = None
    on_exchange_call: Callable[[str], None] | None = None
    shortest_interval: int = 0


@dataclass(slots=True)
class _Container:
    """The one World of this process; a World given by `use` wins."""

    overrides: Overrides = field(default_factory=Overrides)
    world: World | None = None


_container = _Container()


def world() -> World:
    """Return the World of this container, built at the first call."""
    if _container.world is None:
        _container.world = build(from_environment(), _container.overrides)
    return _container.world


def use(given: World | None) -> None:
    """Install a World (tests, local runs); None forgets the present one."""
    _container.world = given


def configure(overrides: Overrides) -> None:
    """Replace parts of the World that is built next; the present one is forgotten."""
    _container.overrides = overrides
    _container.world = None
