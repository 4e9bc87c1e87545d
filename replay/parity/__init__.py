"""A captured run against a backtest of it: what differs, why, and what that comes to in money."""
