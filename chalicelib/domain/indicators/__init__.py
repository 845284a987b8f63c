"""Indicators: one function each, arrays `[symbols, bars]` in and out; strategies and indications call them.

All are causal to the last bit: the value at a bar is the same whatever bars follow it. They are NaN until
warm and accept leading NaN (a late listing), none inside. Seeds are TA-Lib's.
"""
