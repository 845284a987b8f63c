"""Backtests: the flows, risk gate, sizing and paper exchange of the engine, on recorded candles in memory."""
