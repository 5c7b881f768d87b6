"""Functions of the eigenvalues of a kernel: diversity scores, and objectives that choose by them."""
