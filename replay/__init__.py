"""Read, fold and prove journals."""

# Registers every strategy under the name by which journals call for it.
import strategies as _strategies  # noqa: F401
