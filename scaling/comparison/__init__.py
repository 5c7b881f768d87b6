"""Two fits held against each other at a target."""
