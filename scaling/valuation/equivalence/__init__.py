"""What data is worth in random tokens: from a loss, from a score, across sizes, when repeated, and from which pool."""
