"""Backtests and sweeps."""
