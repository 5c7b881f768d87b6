"""``s_j(v) = v' (M + t_j)^-1 v`` of all candidates, kept up to date by one skinny product a step.

Adding u changes each (M + t)^-1 by a matrix of rank one, so s of every candidate changes by the square of one inner
product: ``X [W_1 .. W_J, u]`` with ``W_j = (M + t_j)^-1 u`` is all that touches the n rows. No eigenvalue is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.embeddings import Rows
from scaling.valuation.spectral.eigen import Eigen

Array = NDArray[np.float64]

_ROWS = 2048  # rows a product, so that its result stays in the cache until it is used


class Resolvent:
    """Resolvents of M and of all candidates.

    Parameters
    ----------
    rows : array (n, m)
        Candidates. Products are taken in their precision unless `single` is False; s is always float64.
    norms : ndarray (n,)
        Squared lengths.
    nodes : ndarray (J,)
        Ridges t_j > 0.
    largest : float
        Bound of the eigenvalues of M, from which a lower bound of s follows that rounding must not cross.
    single : bool
        Whether products may be taken in float32 where rows are.

    Attributes
    ----------
    s : ndarray (n, J)
        Resolvents of candidates.
    c : ndarray (n,)
        ``v' M v``.
    share : ndarray (J,)
        Size of the errors of s that rounding of the products makes, in units of ``epsilon |v|^2 / t_j``: those of
        single steps are taken as independent, so their squares add.
    """

    def __init__(self, rows: Rows, norms: Array, nodes: Array, largest: float, *, single: bool) -> None:
        self.rows = rows
        self.norms = norms
        self.nodes = nodes
        self.dtype = np.float32 if single and rows.dtype == np.float32 else np.float64
        self._floor = 1 / (largest + nodes) if np.isfinite(largest) else np.zeros(nodes.size)
        self.s = norms[:, None] / nodes
        self.c = np.zeros(len(rows))
        m = rows.shape[1]
        self._inverses = np.zeros((nodes.size, m, m))
        for inverse, t in zip(self._inverses, nodes, strict=True):
            inverse[np.diag_indices(m)] = 1 / t
        self._squares = np.ones(nodes.size)

    @property
    def epsilon(self) -> float:
        """Of the precision in which products are taken."""
        return float(np.finfo(self.dtype).eps)

    @property
    def share(self) -> Array:
        """Errors of s in units of ``epsilon / t_j``."""
        return np.sqrt(self._squares)

    def add(self, u: Array) -> None:
        """Take a row into M."""
        from scipy.linalg.blas import dger

        w = self._inverses @ u  # (J, m)
        over = 1 + w @ u
        for inverse, column, one in zip(self._inverses, w, over, strict=True):
            dger(-1 / one, column, column, a=inverse.T, overwrite_a=1)
        skinny = np.empty((u.size, self.nodes.size + 1), self.dtype)
        skinny[:, :-1] = w.T
        skinny[:, -1] = u
        for start in range(0, len(self.rows), _ROWS):
            part = slice(start, start + _ROWS)
            product = (self.rows[part].astype(self.dtype, copy=False) @ skinny).astype(np.float64)
            np.square(product, out=product)
            self.c[part] += product[:, -1]
            s = self.s[part]
            s -= product[:, :-1] / over
            np.maximum(s, self.norms[part, None] * self._floor, out=s)
        self._squares += (self.nodes * np.einsum("jm,jm->j", w, w) / over) ** 2

    def restart(self, eigen: Eigen) -> None:
        """Take the state of a set from its eigenpairs."""
        for start in range(0, len(self.rows), _ROWS):
            part = slice(start, start + _ROWS)
            self.s[part], self.c[part] = eigen.resolvent(self.rows[part], self.nodes)
        for inverse, t in zip(self._inverses, self.nodes, strict=True):
            inverse[...] = eigen.inverse(float(t))
        self._squares = np.ones(self.nodes.size)
