"""The site of a contract test: a venue, its feed, and the exchange behind them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.exchanges.contract.worlds import World, world


@pytest.fixture
def site(request: Any) -> Iterator[World]:
    """Give the world that `worlds.on` names."""
    with world(*request.param) as made:
        yield made
