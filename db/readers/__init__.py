"""Readers: one small module a format of run logs.

A format says by which sign it is known, what it gives of a run, and what it leaves out. All readers give the same few
things (`db.readers.found`), so that everything behind them is written once. None of them loads what a file could run:
no pickle, no YAML but its plain part, no code.
"""
