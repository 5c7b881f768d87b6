"""What each source of data is worth under a fitted law, and what its next token costs and buys."""
