"""The report of a journal: folded in one pass, written as one page that needs no network."""
