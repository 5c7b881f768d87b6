"""Counting the parameters of a transformer by its shape."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Shape of a decoder.

    Parameters
    ----------
    n_layers, width : int
        Layers, and dimensions of the residual stream.
    vocabulary : int, optional
        Tokens that have an embedding.
    inner : int, optional
        Dimensions inside the feed-forward part; four times the width where it is not said.
    heads, kv_heads, head_width : int, optional
        Attention heads, those of keys and values, and dimensions of each.
    positions : int, optional
        Learnt position embeddings.
    gated : bool, default False
        Whether the feed-forward part has three matrices, as in LLaMA, and not two.
    biases : bool, default False
        Whether layers have biases, and norms too, as in GPT-2.
    tied : bool, default True
        Whether the output layer is the embedding.
    """

    n_layers: int
    width: int
    vocabulary: int | None = None
    inner: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_width: int | None = None
    positions: int | None = None
    gated: bool = False
    biases: bool = False
    tied: bool = True


def count_parameters(shape: Shape) -> tuple[float, float | None]:
    """Count the parameters of a decoder.

    Parameters
    ----------
    shape : Shape
        Its shape.

    Returns
    -------
    layers : float
        Parameters of all layers and norms, without any embedding.
    total : float or None
        With embeddings; None where the vocabulary is not known.

    Notes
    -----
    Exact for GPT-2 (124,439,808 at 12 layers of 768, 50257 tokens and 1024 positions) and for LLaMA (6,738,415,616 at
    32 layers of 4096 with 11008 inside and 32000 tokens).
    """
    d = shape.width
    inner = shape.inner or 4 * d
    each = shape.head_width or (d // shape.heads if shape.heads else 0)
    queries = each * shape.heads if shape.heads and shape.head_width else d
    keys = each * shape.kv_heads if shape.kv_heads and each else queries
    attention = 2 * d * queries + 2 * d * keys
    forward = (3 if shape.gated else 2) * d * inner
    norms = 2 * d
    if shape.biases:
        attention += queries + 2 * keys + d
        forward += inner + d
        norms *= 2
    layers = shape.n_layers * (attention + forward + norms) + (2 if shape.biases else 1) * d
    if shape.vocabulary is None:
        return float(layers), None
    embeddings = d * shape.vocabulary * (1 if shape.tied else 2) + d * (shape.positions or 0)
    return float(layers), float(layers + embeddings)
