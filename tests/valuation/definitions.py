"""Coverage and targeted objectives written out by definition, a deterministic set of points, and exhaustive checks."""

import copy

import numpy as np


def points(n, m):
    """Rows of length one that anybody can make again."""
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, m + 1)[None, :]
    made = np.sin(0.7 * i * j) + 0.3 * np.cos(1.3 * i**2 / j)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


A = points(12, 4)
Q = points(15, 4)[12:]
K = (1 + A @ A.T) / 2


def shifted(X, Y=None):
    return (1 + X @ (X if Y is None else Y).T) / 2


def greedy(objective, k):
    """The definition: all gains, the best one; returns members and the gains they were added with."""
    state = objective.fresh()
    gains = []
    for _ in range(k):
        every = state.gains().copy()
        every[state.chosen] = -np.inf
        gains.append(state.add(int(every.argmax())))
    return state.chosen, np.array(gains)


def table_of_gains(objective):
    """f of every set, and the gain of every element at every set: shapes (2^n,) and (2^n, n), NaN for members."""
    n = objective.n
    values, gains = np.zeros(1 << n), np.full((1 << n, n), np.nan)
    states = [objective.fresh()]
    for mask in range(1 << n):
        members = [v for v in range(n) if mask >> v & 1]
        if members:  # a state is never changed in place, so a copy of a smaller set's may go on
            state = copy.copy(states[mask ^ 1 << members[-1]])
            state.chosen = list(state.chosen)
            state.add(members[-1])
            states.append(state)
        state = states[mask]
        values[mask] = state.value
        others = np.setdiff1d(np.arange(n), members)
        gains[mask, others] = state.gains(others)
    return values, gains


def worst_ratio(gains):
    """Smallest f(v|S)/f(v|T), and largest f(v|T) - f(v|S), over every S within T and every v outside T."""
    sets, n = gains.shape
    ratio, growth = np.inf, -np.inf
    for larger in range(sets):
        smaller = [larger]
        while smaller[-1]:
            smaller.append((smaller[-1] - 1) & larger)
        outside = [v for v in range(n) if not larger >> v & 1]
        if not outside:
            continue
        here, there = gains[smaller][:, outside], gains[larger, outside]
        growth = max(growth, float((there - here).max()))
        counted = there > 1e-9
        if counted.any():
            ratio = min(ratio, float((here[:, counted] / there[counted]).min()))
    return ratio, growth
