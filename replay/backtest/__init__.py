"""The engine on the exchange core in virtual time: docs/backtest.md says what that can prove."""
