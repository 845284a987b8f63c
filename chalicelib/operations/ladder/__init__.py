"""The commands `cts ladder` and `cts ladder study`: a connection's ladder, and what luck reaches on one."""
