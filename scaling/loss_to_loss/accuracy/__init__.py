"""The error on a task as a function of a loss."""
