"""Counting the parameters of a transformer by its shape."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What all models of a family have in common.

    Parameters
    ----------
    gated : bool, default True
        Whether the feed-forward part has three matrices, as in LLaMA, and not two.
    biases : str, default "none"
        Layers that have biases: ``none``, ``qkv`` or ``all``; norms have them too where all have.
    norms : str, default "two"
        Norms of a layer: ``none``, ``two``, ``four``, ``two and heads`` (of queries and keys, a head at a time), or
        ``two and all`` (of queries and keys as a whole).
    tied : bool, default False
        Whether the output layer is the embedding, where the settings do not say.
    positions : bool, default False
        Whether positions are learnt.
    """

    gated: bool = True
    biases: str = "none"
    norms: str = "two"
    tied: bool = False
    positions: bool = False


#: Families that are counted exactly, by the beginning of what they are called.
FAMILIES = {
    "gpt2": Family(gated=False, biases="all", tied=True, positions=True),
    "gptneox": Family(gated=False, biases="all"),
    "llama": Family(),
    "smollm": Family(tied=True),
    "mistral": Family(),
    "phi3": Family(),
    "qwen2": Family(biases="qkv"),
    "qwen3": Family(norms="two and heads"),
    "gemma": Family(tied=True),
    "gemma2": Family(tied=True, norms="four"),
    "olmo": Family(norms="none"),
    "olmo2": Family(norms="two and all"),
}
# Mixtures, and successors that are built otherwise.
_NOT = ("gptneoxjapanese", "llama4", "mistral3", "phi3small", "gemma3", "gemma4", "olmo3", "olmoe", "olmohybrid",
        "qwen2moe", "qwen3moe", "qwen3next", "qwen35", "gemma3n")  # fmt: skip


def family_of(name: str) -> Family | None:
    """A family by what a model is called, such as ``LlamaForCausalLM`` or ``gpt2``; None where it is not known."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if any(plain.startswith(other) for other in _NOT):
        return None
    found = [word for word in FAMILIES if plain.startswith(word)]
    return FAMILIES[max(found, key=len)] if found else None


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
    family : Family, optional
        What else its parts have; two matrices, no biases and two norms without it.
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
    family: Family = Family(gated=False)
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
    family = shape.family
    inner = shape.inner or 4 * d
    each = shape.head_width or (d // shape.heads if shape.heads else 0)
    queries = each * shape.heads if shape.heads and shape.head_width else d
    keys = each * shape.kv_heads if shape.kv_heads and each else queries
    attention = 2 * d * queries + 2 * d * keys
    forward = (3 if family.gated else 2) * d * inner
    if family.biases != "none":
        attention += queries + 2 * keys
    if family.biases == "all":
        attention += d
        forward += (2 if family.gated else 1) * inner + d
    scale = 2 if family.biases == "all" else 1
    norms = {
        "none": 0,
        "two": 2 * d,
        "four": 4 * d,
        "two and heads": 2 * d + 2 * each,
        "two and all": 2 * d + queries + keys,
    }[family.norms] * scale
    last = 0 if family.norms == "none" else scale * d
    layers = shape.n_layers * (attention + forward + norms) + last
    if shape.vocabulary is None:
        return float(layers), None
    embeddings = d * shape.vocabulary * (1 if shape.tied else 2) + d * (shape.positions or 0)
    return float(layers), float(layers + embeddings)
