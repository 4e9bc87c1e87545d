"""An estimate of what would have become of other decisions: docs/what-if.md says how good it is."""
