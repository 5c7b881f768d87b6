"""A law of one corpus translated to another by a map of losses."""
