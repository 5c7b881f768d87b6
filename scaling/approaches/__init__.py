"""Approaches 1, 2 and 3 to the compute-optimal model, each from the same runs, with what approach 2 is biased by."""
