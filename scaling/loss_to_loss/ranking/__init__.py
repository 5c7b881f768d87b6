"""Which corpus is best at a budget, and how surely."""
