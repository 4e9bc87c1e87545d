"""Benchmarks: what the engine costs, measured on this machine; they measure and never judge."""
