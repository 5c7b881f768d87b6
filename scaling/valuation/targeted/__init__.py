"""Objectives with a target: how much a set says of queries, or beyond what is held already."""
