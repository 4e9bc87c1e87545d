"""Read, fold and prove journals."""
