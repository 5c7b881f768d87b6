"""Scores of subsets held against what training on the subsets gave."""
