"""Selection: optimisers of any objective, what they promise, and what is certain of a set afterwards."""
