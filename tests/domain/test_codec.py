"""The codec: every stored value survives a round trip, and wrong input names its field."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.connection import Connection, StrategyChoice
from chalicelib.domain.engine import Account, Beat, Engine, Subject
from chalicelib.domain.lease import Lease
from chalicelib.errors import Rejected

CONNECTION = Connection("c1", "binance", ("BTC/USDT",))


@given(
    money=st.decimals(allow_nan=False, allow_infinity=False, places=12),
    until=st.floats(0, 4e9),
    names=st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=4),
)
def test_engines_round_trip_exactly(money: Decimal, until: float, names: list[str]) -> None:
    engine = Engine(
        Subject("t", "engine#c"),
        leases={name: Lease(name, until, 3, 7) for name in names},
        beats={name: Beat(until, 1, name) for name in names},
        marks=dict.fromkeys(names, money),
        account=Account(equity=money),
        alarms=tuple(names),
        settings=to_plain(CONNECTION),
    )
    assert from_plain(Engine, to_plain(engine)) == engine


def test_a_newer_schema_is_read_by_older_code_and_refused_from_a_user() -> None:
    newer = {**to_plain(CONNECTION), "colour": "blue"}
    assert from_plain(Connection, newer, known_only=False) == CONNECTION
    with pytest.raises(Rejected, match="no field 'colour': known are connection_id"):
        from_plain(Connection, newer)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbols": "BTC/USDT"}, "connection.symbols must be a list"),
        ({"symbols": [7]}, r"connection.symbols\[0\] must be a text"),
        ({"mode": "demo"}, "connection.mode must be one of paper, testnet, live"),
        ({"risk": {"max_positions": 1.5}}, "connection.risk.max_positions must be a whole number"),
        ({"risk": {"max_positions": float("inf")}}, "must be a whole number"),
        ({"risk": {"max_positions": float("nan")}}, "must be a whole number"),
        ({"risk": {"cooldown": 10**400}}, "must be a finite number"),
        ({"risk": {"cooldown": True}}, "must be a finite number"),
        ({"risk": []}, "connection.risk must be an object"),
        ({"position_cost": "a lot"}, "connection.position_cost must be a decimal number"),
        ({"position_cost": "NaN"}, "must be a decimal number"),
        ({"position_cost": True}, "must be a decimal number"),
        ({"enabled": "yes"}, "connection.enabled must be true or false"),
        ({"strategies": {"trend": {"wait": 1}}}, "connection.strategies.trend has no field 'wait'"),
    ],
)
def test_wrong_input_names_the_field_and_what_it_should_be(change: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        from_plain(Connection, {**to_plain(CONNECTION), **change})


def test_absent_fields_have_their_defaults_but_the_required_ones() -> None:
    assert (
        from_plain(Connection, {"connection_id": "c1", "exchange": "binance", "symbols": ["BTC/USDT"]})
        == CONNECTION
    )
    with pytest.raises(Rejected, match="lacks the field 'symbols'"):
        from_plain(Connection, {"connection_id": "c1", "exchange": "binance"})


def test_floats_become_the_decimals_they_were_written_as() -> None:
    choice = replace(CONNECTION, strategies={"trend": StrategyChoice(0.5)})
    plain = {**to_plain(choice), "position_cost": 0.1}
    assert from_plain(Connection, plain).position_cost == Decimal("0.1")


def test_what_has_no_plain_form_is_a_bug_not_a_value() -> None:
    @dataclass(frozen=True)
    class Holder:
        value: object

    with pytest.raises(TypeError, match="has no plain form"):
        to_plain(Holder(object()))
