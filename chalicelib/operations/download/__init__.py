"""The command `cts download`: candles of an exchange into a directory that runs and backtests read."""
