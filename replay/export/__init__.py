"""Tables of a journal for others to work with: rows by name, exact, in one pass."""
