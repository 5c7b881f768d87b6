"""Which runs to buy next, and what that would do for a forecast."""
