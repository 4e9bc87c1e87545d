"""The exchange itself: pure, deterministic, without clock or socket."""
