"""Where the market comes from."""
