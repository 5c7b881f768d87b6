"""The law book: one TOML file a family, and the code that reads it."""
