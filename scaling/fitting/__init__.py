"""The engine: one way to fit every law."""
