"""Objectives of coverage: how much of the data a set stands for."""
