"""Facts of runs: exact where they can be, absent where nothing says them, never taken from what means another thing."""

import pytest

from db.facts.derive import Facts, Logged, derive
from db.facts.read import any_number, positive
from db.facts.shapes import FAMILIES, Shape, count_parameters, family_of


def facts(config=None, *, summary=None, about=None, last=None, counters=(), grew=None, last_step=None, finished=False):
    """Facts of a run that logs little."""
    last = last or {}
    grew = last if grew is None else grew
    logged = Logged(last, frozenset(counters), frozenset(grew), last_step)
    return derive(config or {}, summary or {}, about or {}, logged, finished=finished)


def value(found: Facts, name: str):
    """Value of a fact; None where it is missing."""
    return found.facts[name].value if name in found.facts else None


GPT2 = {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_positions": 1024}
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 11008,
    "num_attention_heads": 32, "vocab_size": 32000,
}  # fmt: skip


# Totals as transformers 5 counts the parameters of models that it makes of these settings.
@pytest.mark.parametrize(
    ("family", "layers", "width", "inner", "heads", "kv", "head", "vocabulary", "tied", "total"),
    [
        ("GPT2LMHeadModel", 12, 768, None, 12, None, None, 50257, True, 124_439_808),
        ("llama", 32, 4096, 11008, 32, 32, 128, 32000, False, 6_738_415_616),
        ("LlamaForCausalLM", 16, 2048, 8192, 32, 8, 64, 128256, True, 1_235_814_400),
        ("mistral", 32, 4096, 14336, 32, 8, 128, 32000, False, 7_241_732_096),
        ("qwen2", 24, 896, 4864, 14, 2, None, 151936, True, 494_032_768),
        ("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, True, 596_049_920),
        ("gemma", 18, 2048, 16384, 8, 1, 256, 256000, True, 2_506_172_416),
        ("gemma2", 26, 2304, 9216, 8, 4, 256, 256000, True, 2_614_341_888),
        ("olmo", 16, 2048, 8192, 16, 16, None, 50304, True, 1_176_764_416),
        ("olmo2", 32, 4096, 11008, 32, 32, None, 100352, False, 7_298_617_344),
        ("gpt_neox", 12, 768, 3072, 12, None, None, 50304, False, 162_322_944),
        ("phi3", 32, 3072, 8192, 32, 32, None, 32064, False, 3_821_079_552),
    ],
)
def test_families_are_counted_exactly(family, layers, width, inner, heads, kv, head, vocabulary, tied, total) -> None:
    positions = 1024 if family.startswith("GPT2") else None
    shape = Shape(layers, width, vocabulary, inner, heads, kv, head, positions, family_of(family), tied)
    assert count_parameters(shape)[1] == total


def test_sizes_of_gpt_2_and_llama_follow_from_their_settings() -> None:
    gpt2, llama = facts(GPT2), facts({f"model.{key}": content for key, content in LLAMA.items()})
    assert value(gpt2, "n_params") == 124_439_808
    assert value(gpt2, "n_params_nonembed") == 124_439_808 - 768 * (50257 + 1024)
    assert value(llama, "n_params") == 6_738_415_616
    assert llama.facts["n_params"].rule == "counted by the shape of a llama model"
    assert "config model.vocab_size" in llama.facts["n_params"].keys


def test_a_size_that_is_given_goes_before_one_that_is_counted() -> None:
    assert value(facts(GPT2 | {"n_params": "124M"}), "n_params") == 124e6


def test_what_is_not_known_is_estimated_in_words_or_not_at_all() -> None:
    unknown = facts({"n_layer": 2, "n_embd": 64, "vocab_size": 100})
    assert value(unknown, "n_params") == 2 * (4 * 64**2 + 8 * 64**2 + 128) + 64 + 6400
    assert unknown.facts["n_params"].rule.startswith("estimated by the shape")
    mixture = facts(LLAMA | {"num_local_experts": 8, "model_type": "mixtral"})
    assert "n_params" not in mixture.facts
    assert "mixture (config num_local_experts)" in mixture.missing["n_params"]
    assert "lacks layers, width and vocabulary" in facts().missing["n_params"]
    assert "disagree: config a.n_layer = 2, config b.n_layer = 3" in facts(
        {"a.n_layer": 2, "b.n_layer": 3, "n_embd": 64, "vocab_size": 100}
    ).missing["n_params"]  # fmt: skip


def test_the_width_of_a_part_is_not_that_of_the_model() -> None:
    config = {"n_layers": 2, "feed_forward.hidden_size": 256, "vocab_size": 100, "hidden_size": 64}
    found = facts(config)
    assert value(found, "n_params") == 2 * (4 * 64**2 + 2 * 64 * 256 + 128) + 64 + 6400


@pytest.mark.parametrize("name", ["llama4", "Qwen3MoeForCausalLM", "gemma3", "olmo3", "transformer", "mixtral", "t5"])
def test_successors_and_mixtures_are_no_family_that_is_known(name) -> None:
    assert family_of(name) is None


def test_every_family_is_found_by_its_name() -> None:
    assert {name: family_of(name) for name in FAMILIES} == FAMILIES


def test_keys_that_disagree_give_a_sentence_and_no_fact() -> None:
    found = facts({"n_params": 1e8, "model.num_parameters": 2e8, "optimizer.lr": 0.1, "learning_rate": 0.2})
    assert "n_params" not in found.facts
    assert found.missing["n_params"] == "keys that disagree: config n_params = 1e8, config model.num_parameters = 2e8"
    assert found.missing["learning_rate"].startswith("keys that disagree: config learning_rate = 0.2")
    assert value(facts({"n_params": 1e8, "model.num_parameters": "100M"}), "n_params") == 1e8


def test_other_models_of_a_run_are_not_its_own() -> None:
    assert value(facts({"teacher.n_params": 7e9, "n_params": 1e8}), "n_params") == 1e8
    assert "n_params" not in facts({"reward_model.n_params": 7e9}).facts


def test_a_count_in_another_unit_is_no_count() -> None:
    found = facts({"n_params": 7})
    assert "n_params" not in found.facts
    assert "too small to count parameters" in found.missing["n_params"]


def test_the_batch_of_a_device_is_not_that_of_a_step() -> None:
    found = facts({"per_device_train_batch_size": 8, "seq_len": 512})
    assert "batch_seqs" not in found.facts
    assert found.missing["batch_seqs"] == "only sequences of one device are there; passes and devices are not"
    whole = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "world_size": 16, "seq_len": 512}
    assert value(facts(whole), "batch_seqs") == 512
    assert value(facts(whole), "batch_tokens") == 512 * 512
    assert "config train_batch_size may be that of one device" in facts({"train_batch_size": 8}).missing["batch_seqs"]
    deepspeed = {"train_batch_size": 512, "train_micro_batch_size_per_gpu": 4}
    assert value(facts(deepspeed), "batch_seqs") == 512


def test_devices_that_share_a_model_see_the_same_sequences() -> None:
    config = {"micro_batch_size": 2, "grad_accum_steps": 8, "world_size": 64, "tensor_model_parallel_size": 8}
    found = facts(config | {"pipeline_model_parallel_size": 2})
    assert value(found, "batch_seqs") == 2 * 8 * 4
    assert found.facts["batch_seqs"].rule == "sequences a device, passes and devices, over those that share a model"
    odd = facts(config | {"tensor_model_parallel_size": 7})
    assert "is no multiple of" in odd.missing["batch_seqs"]


def test_two_ways_to_a_batch_are_held_against_each_other() -> None:
    config = {"tokens_per_batch": 1e6, "global_batch_size": 256, "seq_len": 1024}
    assert value(facts(config), "batch_tokens") == 1e6
    assert "batch_seqs x seq_len is 262100" in facts(config).notes["batch_tokens"]
    assert not facts(config | {"tokens_per_batch": 262144}).notes


def test_a_batch_of_olmo_core_is_counted_in_tokens() -> None:
    found = facts({"data_loader.global_batch_size": 2**20, "dataset.sequence_length": 2048}, last_step=10)
    assert (value(found, "batch_tokens"), value(found, "n_tokens")) == (2**20, 10 * 2**20)
    assert (value(found, "batch_seqs"), found.notes) == (None, {})
    assert found.facts["batch_tokens"].keys == ("config data_loader.global_batch_size",)


def test_tokens_are_counted_before_they_are_worked_out() -> None:
    config = {"batch_tokens": 1000}
    counted = facts(config, last={"tokens_seen": 99_000.0}, last_step=100)
    assert value(counted, "n_tokens") == 99_000
    assert not counted.notes
    worked = facts(config, last_step=100)
    assert value(worked, "n_tokens") == 100_000
    assert worked.facts["n_tokens"].keys == ("last step 100", "config batch_tokens")
    apart = facts(config, last={"tokens_seen": 50_000.0}, last_step=100)
    assert value(apart, "n_tokens") == 50_000
    assert "last step x batch_tokens is 100000" in apart.notes["n_tokens"]


def test_what_only_looks_like_a_counter_is_none() -> None:
    speed = facts(last={"tokens_per_second": 1e5, "throughput/tokens_per_sec": 1e5}, last_step=10)
    assert "n_tokens" not in speed.facts
    batch = facts({"batch_tokens": 512}, last={"tokens": 512.0}, last_step=10)
    assert value(batch, "n_tokens") == 5120
    fell = facts({"batch_tokens": 512}, last={"tokens_seen": 700.0}, grew=(), last_step=10)
    assert value(fell, "n_tokens") == 5120
    assert fell.notes["n_tokens"] == "tokens_seen counts tokens, and falls while the steps rise"


def test_a_summary_does_not_bring_back_a_counter_that_fell() -> None:
    found = facts(summary={"tokens_seen": 700}, last={"tokens_seen": 700.0}, grew=(), last_step=10)
    assert "n_tokens" not in found.facts
    assert value(facts(summary={"tokens_seen": 700}), "n_tokens") == 700


def test_a_counter_without_steps_did_not_fall() -> None:
    """Last words of a tracker are logged as values without a step."""
    words = {"tokens_seen": 700.0}
    logged = Logged(words, last_step=None, stepless=frozenset(words))
    found = derive({}, {"tokens_seen": 700}, {}, logged, finished=False)
    assert (value(found, "n_tokens"), found.notes) == (700, {})
    assert found.facts["n_tokens"].keys == ("summary tokens_seen",)


def test_steps_of_training_are_those_that_are_counted() -> None:
    """The axis of a tracker may count calls."""
    config = {"batch_tokens": 1000}
    found = facts(config, last={"train/global_step": 500.0}, last_step=40)
    assert value(found, "n_tokens") == 500_000
    assert found.facts["n_tokens"].rule == "steps by their own counter x batch_tokens"
    assert value(facts(config, last={"iter": 40.0}, last_step=40), "n_tokens") == 40_000


def test_planned_tokens_count_only_at_the_end() -> None:
    plan = {"n_tokens": "2.5B", "max_steps": 1000}
    cut = facts(plan, last_step=400, finished=True)
    assert "n_tokens" not in cut.facts
    assert "it ended at step 400 of 1000" in cut.missing["n_tokens"]
    assert value(facts(plan, last_step=1000), "n_tokens") == 2.5e9
    assert value(facts(plan, last_step=990, finished=True), "n_tokens") == 2.5e9
    assert "n_tokens" not in facts(plan, last_step=990).facts
    assert "n_tokens" not in facts({"n_tokens": "2.5B"}, last_step=400).facts
    assert value(facts({"n_tokens": "2.5B"}, finished=True), "n_tokens") == 2.5e9


def test_a_vocabulary_and_an_answer_are_no_tokens_of_training() -> None:
    assert "n_tokens" not in facts({"num_tokens": 50257, "max_tokens": 512}, finished=True).facts


def test_a_rate_that_is_logged_is_no_setting() -> None:
    found = facts(last={"train/lr": 0.0})
    assert "learning_rate" not in found.facts
    assert "the peak of train/lr, which is logged, may be it" in found.missing["learning_rate"]
    assert value(facts({"optimizer.lr": "3e-4"}), "learning_rate") == 3e-4
    assert value(facts({"lr": 1e-4, "max_lr": 6e-4, "min_lr": 1e-5}), "learning_rate") == 6e-4


def test_compute_is_given_in_its_unit_or_follows() -> None:
    assert value(facts(summary={"throughput/total_gflops": 5.0}), "compute_flop") == 5e9
    assert value(facts(summary={"total_flos": 1e18}), "compute_flop") == 1e18
    known = facts({"n_params": 1e8}, last={"tokens_seen": 1e9}, summary={"total_flos": 1e18}, last_step=1)
    assert "compute_flop" not in known.facts
    assert "compute_flop" not in known.missing
    assert "6 N D needs n_params and n_tokens" in facts().missing["compute_flop"]


def test_other_facts_are_taken_as_they_stand() -> None:
    config = {"data.name": " c4 ", "seed": 0, "optim": "adamw", "weight_decay": 0.1, "x.seed": 0, "flag": True}
    found = facts(config)
    assert value(found, "corpus") == "c4"
    assert value(found, "seed") == 0
    assert value(found, "optimizer") == "adamw"
    assert str(found.facts["weight_decay"]) == "weight_decay = 0.1000: given (config weight_decay)"
    twice = facts({"dataset": "a", "train.dataset": "b"})
    assert "corpus" not in twice.facts
    assert twice.notes["corpus"] == "keys that disagree: config dataset = a, config train.dataset = b"


@pytest.mark.parametrize(
    ("given", "corpus"),
    [
        ("['0.5', 'corpus a']", "corpus a"),
        ("['0.7', '/d/web_text_document', '0.3', '/d/books_text_document']", "/d/web+/d/books"),
        ([0.7, "web", 0.3, "10B"], "web+10B"),
        ("['web_text_document']", "web"),
        (["web", "books", "web"], "web+books"),
        ("web_text_document", "web_text_document"),
        ("[bracketed", "[bracketed"),
        (r"['D:\web']", r"D:\web"),
        ("['0.5', 'web', '0.5']", None),
        ("['0.5', '0.5']", None),
        ("['web', '0.5']", None),
        ("[not python]", None),
        (f"[{'[' * 9000}{']' * 9000}]", None),
        ([{"path": "web"}], None),
    ],
)
def test_of_a_list_of_corpora_the_names_are_taken(given, corpus) -> None:
    found = facts({"data_path": given})
    if corpus is None:
        assert "corpus" not in found.facts
        assert found.missing["corpus"].startswith("config data_path is a list, and not one of names")
        assert value(facts({"data_path": given, "dataset_path": "c4"}), "corpus") == "c4"
    else:
        assert found.facts["corpus"].value == corpus
        assert found.facts["corpus"].rule == ("given" if given == corpus else "given, as a list")
        assert "corpus" not in found.missing


def test_an_empty_list_is_no_corpus() -> None:
    found = facts({"data_path": "[]", "train_set": []})
    assert "corpus" not in found.facts
    assert "corpus" not in found.missing


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("124M", 124e6), ("1.5e9", 1.5e9), ("2_048", 2048), ("1,024", 1024), ("7b params", 7e9), (".5", 0.5),
        ("1.5T tokens", 1.5e12), ("300k", 3e5), ("1,5", None), ("1,5B", None), ("12,34", None), ("0", None),
        ("-3", None), ("", None), ("e5", None), ("1e999", None), ("auto", None), (True, None), (None, None),
        (10**400, None), (float("inf"), None), (float("nan"), None), ("1" * 5000, None), ([3], None), ("3 4", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number) -> None:
    assert positive(text) == number


def test_a_number_may_be_none_above_zero() -> None:
    assert any_number("-0.5") == -0.5
    assert any_number("0") == 0


@pytest.mark.parametrize("key", ["n_layer", "n_embd", "vocab_size", "n_positions", "n_inner"])
def test_sizes_that_no_model_has_give_no_count(key):
    shape = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100, "n_positions": 32}
    assert facts(shape).facts["n_params"].value == 2 * (12 * 64 * 64 + 13 * 64) + 2 * 64 + 64 * 132
    found = facts(shape | {key: 10**300})
    assert "n_params" not in found.facts or found.facts["n_params"].value < 1e12
