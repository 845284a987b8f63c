"""Cooldowns in the engine's item: as long as they last and no longer."""

from tests.flows.desk import Desk


def test_only_symbols_that_still_cool_down_are_kept_in_the_item() -> None:
    desk = Desk()
    desk.execute(desk.signal("BTC/USDT"))
    desk.now += 5
    desk.execute(desk.signal("ETH/USDT", number=1))
    engine = desk.engines.get(desk.subject)
    assert engine is not None
    assert set(engine.cooldowns) == {"BTC/USDT", "ETH/USDT"}
    desk.now += 18
    desk.execute(desk.signal("XRP/USDT", number=2))
    engine = desk.engines.get(desk.subject)
    assert engine is not None
    assert set(engine.cooldowns) == {"ETH/USDT", "XRP/USDT"}
