"""Tests of `replay/parity` and of the command `quotefold parity`."""
