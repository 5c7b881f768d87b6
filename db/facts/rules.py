"""The rules: by which names logs say what a run was.

Names in one group mean the same, so those of them that disagree give no fact; an earlier group goes before a later one.
"""

from __future__ import annotations

Groups = tuple[tuple[str, ...], ...]

N_PARAMS: Groups = (
    (
        "n_params", "num_params", "n_parameters", "num_parameters", "parameter_count", "param_count", "total_params",
        "total_parameters", "model_params", "model_num_parameters", "model_parameters", "params_total", "nparams",
    ),
)  # fmt: skip
N_PARAMS_NONEMBED: Groups = (
    (
        "n_params_nonembed", "non_embedding_params", "n_non_embedding_params", "num_non_embedding_params",
        "params_nonembed", "non_embedding_parameters", "num_nonembedding_params", "n_params_non_embedding",
    ),
)  # fmt: skip
#: Tokens that a log counts while it runs, by names that mean nothing else; the last value is what was seen.
TOKENS_SEEN = (
    "consumed_tokens", "tokens_seen", "n_tokens_seen", "num_tokens_seen", "seen_tokens", "tokens_consumed",
    "num_input_tokens_seen", "throughput.total_tokens", "train.total_tokens", "total_tokens_seen", "n_tokens_total",
)  # fmt: skip
#: Names that may mean tokens of one batch too: they count only where they grow with the steps, from nothing on.
TOKENS_PERHAPS = ("total_tokens", "train.tokens", "train.n_tokens", "n_tokens", "num_tokens", "tokens")
#: Tokens that were planned; seen only where the run went to its end.
TOKENS_PLANNED: Groups = (
    (
        "train_tokens", "training_tokens", "n_train_tokens", "num_train_tokens", "token_budget", "total_tokens",
        "n_tokens", "max_train_tokens", "target_tokens", "train.max_tokens", "trainer.max_tokens",
    ),
)  # fmt: skip
#: What a log counts steps of training by, where its own axis is something else.
STEPS_COUNTED = (
    "global_step", "trainer.global_step", "train.global_step", "optimizer_step", "train.step", "train_step",
    "iteration", "iter", "train.iteration", "train.iter",
)  # fmt: skip
BATCH_TOKENS: Groups = (
    (
        "batch_tokens", "global_batch_tokens", "tokens_per_batch", "tokens_per_step", "global_batch_size_tokens",
        "batch_size_tokens", "batch_size_in_tokens", "tokens_per_iteration", "tokens_per_iter",
        "total_batch_size_tokens",
    ),
    ("data_loader.global_batch_size",),
)  # fmt: skip
#: A batch by this path is counted in tokens (OLMo-core), though the end of it alone would mean sequences.
BATCH_IN_TOKENS = ("data_loader.global_batch_size",)
#: Sequences of a whole step.
BATCH_SEQS: Groups = (
    (
        "global_batch_size", "global_train_batch_size", "train_global_batch_size", "total_train_batch_size",
        "total_batch_size", "effective_batch_size", "batch_size_seqs",
    ),
)  # fmt: skip
#: The same where the name beside it shows that it is not of one device (DeepSpeed).
BATCH_SEQS_BESIDE = ("train_batch_size", "train_micro_batch_size_per_gpu")
#: Sequences of one device in one pass; times passes and devices they are those of a step.
BATCH_DEVICE: Groups = (
    (
        "per_device_train_batch_size", "train_micro_batch_size_per_gpu", "micro_batch_size", "local_batch_size",
        "device_batch_size", "device_train_microbatch_size", "per_device_batch_size",
    ),
)  # fmt: skip
PASSES: Groups = (
    (
        "gradient_accumulation_steps", "batch_accumulation_per_replica", "grad_accum_steps", "accumulate_grad_batches",
    ),
)  # fmt: skip
#: Devices that see data of their own; all devices, and by how many of them one model is held.
DEVICES: Groups = (("data_parallel_size", "dp_size", "data_parallel_world_size", "dp"),)
ALL_DEVICES: Groups = (("world_size", "n_gpus", "num_devices", "num_gpus"),)
SHARED_BY = (
    "tensor_model_parallel_size", "tensor_parallel_size", "tensor_parallel_degree", "tp_size", "tp",
    "pipeline_model_parallel_size", "pipeline_parallel_size", "pipeline_parallel_degree", "pp_size", "pp",
    "context_parallel_size", "context_parallel_degree", "cp_size", "cp",
)  # fmt: skip
#: Names of a batch of which nobody can tell whether it is that of one device.
BATCH_UNCLEAR = ("batch_size", "train_batch_size", "bs")
SEQUENCE: Groups = (
    ("train_seq_len", "seq_len", "seq_length", "sequence_length", "train_seq_length"),
    ("max_seq_len", "max_seq_length", "max_sequence_length", "block_size", "context_length", "ctx_len"),
)
LEARNING_RATE: Groups = (
    ("peak_lr", "lr_peak", "max_lr", "max_learning_rate", "peak_learning_rate"),
    ("learning_rate", "lr"),
    ("base_lr",),
)
LEARNING_RATE_LOGGED = ("learning_rate", "lr")
CORPUS = (
    "dataset_name", "train_dataset", "dataset", "corpus", "train_data", "training_data", "data.name", "data.dataset",
    "train_set", "dataset_path", "data_path",
)  # fmt: skip
COMPUTE: Groups = (
    ("compute_flop", "train_flop", "train_flops", "training_flops", "total_flops", "training_compute"),
)  # fmt: skip
GFLOP: Groups = (("total_gflops", "total_gflop"),)
#: What trainers count by themselves, without embeddings.
COMPUTE_OF_TRAINER: Groups = (("total_flos",),)
STEPS_PLANNED: Groups = (
    ("max_steps", "train_iters", "num_train_steps", "total_steps", "max_iters", "train_steps", "num_steps"),
)  # fmt: skip

#: Facts that are one setting: by name, the settings that give it. Numbers, or texts, as they stand.
PLAIN = {
    "seed": ("seed", "random_seed", "manual_seed"),
    "weight_decay": ("weight_decay", "wd"),
    "warmup_steps": ("warmup_steps", "lr_warmup_steps", "num_warmup_steps", "lr_warmup_iters", "warmup_iters"),
    "schedule": ("lr_scheduler_type", "lr_schedule", "lr_decay_style", "scheduler", "lr_scheduler"),
    "optimizer": ("optimizer", "optim", "optimizer_name", "optimizer.name", "optimizer.type"),
    "tokenizer": ("tokenizer", "tokenizer_name", "tokenizer_type", "tokenizer_path"),
}  # fmt: skip

ARCHITECTURE = ("model_type", "architecture", "arch", "model.type", "architectures")
LAYERS: Groups = (("n_layers", "n_layer", "num_layers", "num_hidden_layers"), ("depth",))
WIDTH: Groups = (("d_model", "n_embd", "hidden_size", "model_dim", "d_embed"), ("dim", "width"))
VOCABULARY: Groups = (("padded_vocab_size",), ("vocab_size", "n_vocab"))
INNER: Groups = (
    ("intermediate_size", "ffn_hidden_size", "d_ff", "n_inner", "mlp_hidden_size", "ffn_dim"),
    ("feed_forward.hidden_size", "mlp.hidden_size"),
)
HEADS: Groups = (("n_heads", "n_head", "num_attention_heads", "num_heads"),)
KV_HEADS: Groups = (("n_kv_heads", "num_key_value_heads", "num_query_groups", "n_kv_head"),)
HEAD_WIDTH: Groups = (("head_dim", "kv_channels", "d_head"),)
POSITIONS: Groups = (("n_positions",), ("n_ctx",))
#: More than one of these makes a mixture, whose size the shape of a layer does not tell.
EXPERTS = (
    "num_experts", "n_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts",
)  # fmt: skip
TIED = ("tie_word_embeddings", "tie_embeddings", "tied_embeddings", "weight_tying")
UNTIED = ("untie_embeddings_and_output_weights",)
GATED = ("swiglu", "gated_linear_unit")
#: Parts of a layer, whose width is not that of the model.
INSIDE = ("feed_forward", "feedforward", "mlp", "ffn", "attention", "attn", "rope")
