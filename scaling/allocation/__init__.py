"""Decisions that rest on a loss(N, D) law: splits of compute, what leaving the best one costs, repeated corpora."""
