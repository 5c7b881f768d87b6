"""The rules: by which names logs say what a run was. Names that stand together mean the same."""

from __future__ import annotations

N_PARAMS = (
    "n_params", "num_params", "n_parameters", "num_parameters", "parameter_count", "param_count", "total_params",
    "total_parameters", "model_params", "model_num_parameters", "model_parameters", "params_total", "nparams",
)  # fmt: skip
N_PARAMS_NONEMBED = (
    "n_params_nonembed", "non_embedding_params", "n_non_embedding_params", "num_non_embedding_params",
    "params_nonembed", "non_embedding_parameters", "num_nonembedding_params", "n_params_non_embedding",
)  # fmt: skip
#: Tokens that a log counts while it runs; its last value is what was seen.
TOKEN_COUNTERS = (
    "consumed_tokens", "tokens_seen", "n_tokens_seen", "num_tokens_seen", "seen_tokens", "tokens_consumed",
    "num_input_tokens_seen", "throughput.total_tokens", "train.total_tokens", "total_tokens", "train.tokens",
    "train.n_tokens", "n_tokens", "num_tokens", "tokens",
)  # fmt: skip
#: Tokens that were planned; seen only where the run went to its end.
TOKENS_PLANNED = (
    "train_tokens", "training_tokens", "n_train_tokens", "num_train_tokens", "token_budget", "max_tokens",
    "total_tokens", "n_tokens", "num_tokens", "max_train_tokens", "target_tokens",
)  # fmt: skip
BATCH_TOKENS = (
    "batch_tokens", "global_batch_tokens", "tokens_per_batch", "tokens_per_step", "global_batch_size_tokens",
    "batch_size_tokens", "batch_size_in_tokens", "tokens_per_iteration", "tokens_per_iter", "total_batch_size_tokens",
)  # fmt: skip
#: Sequences of a whole step.
BATCH_SEQS = (
    "global_batch_size", "global_train_batch_size", "train_global_batch_size", "total_train_batch_size",
    "total_batch_size", "effective_batch_size", "batch_size_seqs", "train_batch_size",
)  # fmt: skip
#: Sequences of one device in one pass; times passes and devices they are those of a step.
BATCH_DEVICE = ("per_device_train_batch_size", "micro_batch_size", "local_batch_size", "device_batch_size")
PASSES = (
    "gradient_accumulation_steps",
    "batch_accumulation_per_replica",
    "grad_accum_steps",
    "accumulate_grad_batches",
)
DEVICES = (
    "data_parallel_size",
    "dp_size",
    "data_parallel_world_size",
    "dp",
    "world_size",
    "n_gpus",
    "num_devices",
    "num_gpus",
)
SEQUENCE = (
    "seq_len", "seq_length", "sequence_length", "max_seq_len", "max_seq_length", "max_sequence_length", "block_size",
    "context_length", "train_seq_len", "ctx_len", "n_ctx",
)  # fmt: skip
LEARNING_RATE = ("learning_rate", "lr", "max_lr", "peak_lr", "lr_peak", "max_learning_rate", "base_lr")
CORPUS = (
    "dataset_name", "train_dataset", "dataset", "corpus", "train_data", "training_data", "data.name", "data.dataset",
    "train_set", "dataset_path", "data_path",
)  # fmt: skip
COMPUTE = ("compute_flop", "train_flop", "train_flops", "training_flops", "total_flops", "training_compute")
GFLOP = ("total_gflops", "total_gflop")
#: What trainers count by themselves, without embeddings.
COMPUTE_OF_TRAINER = ("total_flos",)
STEPS_PLANNED = ("max_steps", "train_iters", "num_train_steps", "total_steps", "max_iters", "train_steps", "num_steps")

#: Facts that are one setting: by name, the settings that give it. Numbers, or texts, as they stand.
PLAIN = {
    "seed": ("seed", "random_seed", "manual_seed"),
    "weight_decay": ("weight_decay", "wd"),
    "warmup_steps": ("warmup_steps", "lr_warmup_steps", "num_warmup_steps", "lr_warmup_iters", "warmup_iters"),
    "schedule": ("lr_scheduler_type", "lr_schedule", "lr_decay_style", "scheduler", "lr_scheduler"),
    "optimizer": ("optimizer", "optim", "optimizer_name", "optimizer.name", "optimizer.type"),
    "tokenizer": ("tokenizer", "tokenizer_name", "tokenizer_type", "tokenizer_path"),
}  # fmt: skip

LAYERS = ("n_layers", "n_layer", "num_layers", "num_hidden_layers", "depth")
WIDTH = ("d_model", "n_embd", "hidden_size", "hidden_dim", "dim", "width", "model_dim", "d_embed")
VOCABULARY = ("vocab_size", "padded_vocab_size", "n_vocab")
INNER = ("intermediate_size", "ffn_hidden_size", "d_ff", "n_inner", "mlp_hidden_size", "ffn_dim")
HEADS = ("n_heads", "n_head", "num_attention_heads", "num_heads")
KV_HEADS = ("n_kv_heads", "num_key_value_heads", "num_query_groups", "n_kv_head")
HEAD_WIDTH = ("head_dim", "kv_channels", "d_head")
POSITIONS = ("n_positions", "n_ctx")
#: Families whose feed-forward part has three matrices, and those whose layers have biases.
GATED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "olmo", "olmo2", "mixtral", "phi3", "smollm")
BIASED = ("gpt2",)
