"""The report page of a backtest: one HTML file that needs nothing else; written by `cts backtest`."""

from chalicelib.backtest.page.write import write_page

__all__ = ["write_page"]
