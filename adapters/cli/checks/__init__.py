"""What `quotefold doctor` checks: one function a check, grouped by what it looks at."""
