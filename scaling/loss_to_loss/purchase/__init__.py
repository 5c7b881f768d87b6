"""How many runs to buy on a new corpus, so that a map to it is good enough."""
