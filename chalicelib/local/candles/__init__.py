"""Files of recorded candles: formats, checks and gaps; used by `read_candles` and by `cts download`."""
