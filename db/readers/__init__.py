"""Readers of run logs: one small module a format; each returns a table and the problems it met."""
