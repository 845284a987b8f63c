"""Presets as users write them, for the tests of presets and of what runs on them."""

TREND_GRID = """
name = "trend grid"

[[grid]]
strategy = "trend"
parameters = { fast = [8, 12, 30], slow = [21, 26] }
direction = ["long", "short"]
take_profit = [0.01, 0.02, "off"]
stop_loss = [0.01]
trailing = ["off", { distance = 0.01, activation = 0.02 }]
time_limit_bars = [96]

[[grid]]
indication = "move"
parameters = { k = [3, 5, 8] }
direction = "long"
stop_loss = 0.1
symbols = ["BTC/USDT"]
"""
"""Per symbol 48 sets of 4 sources (fast 30 fits neither 21 nor 26), and 3 more of BTC/USDT."""

TREND_GRID_YAML = """
name: trend grid
grid:
  - strategy: trend
    parameters: { fast: [8, 12, 30], slow: [21, 26] }
    direction: [long, short]
    take_profit: [0.01, 0.02, off]
    stop_loss: [0.01]
    trailing:
      - off
      - distance: 0.010
        activation: 2e-2
    time_limit_bars: [96]
  - indication: move
    parameters:
      k: [3, 5, 8]
    direction: long
    stop_loss: 0.1
    symbols: [BTC/USDT]
"""
"""The same in YAML; its `off` is a text, as in YAML 1.2."""
