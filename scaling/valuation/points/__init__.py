"""The value of single examples: from nearest neighbours, logged losses, prototypes and training dynamics."""
