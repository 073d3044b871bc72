"""Lesson 07.06: the filter, windows and chunks, counted n-grams, the keyword-weighted loss, and the loop's known errors.

SLIPS named here: c19 (who shifts), c20 (n_ctx, decay groups, evaluation, schedule, last group, weights, empty keyword
list, end-of-text labels).
"""

import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import DataCollatorForLanguageModeling, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, get_scheduler

from course_nlp.causal_lm import NGrams, any_keyword, complete, keyword_filter, lm_figures, lm_rows, single_token_ids
from course_nlp.chunking import pack_documents, window_tokenize
from course_nlp.training import (
    decay_groups,
    evaluate_loop,
    fit_loop,
    keytoken_weighted_loss,
    keytoken_weights,
    planned_steps,
    start_accelerator,
)

KEYS = ["pandas", "sklearn", "matplotlib", "seaborn"]
SNIPPETS = [
    "import pandas as pd\ndf = pd.DataFrame(x)\ndf.plot()\n",
    "from sklearn import svm\nmodel = svm.SVC()\nmodel.fit(x, y)\n",
]
VOCAB = 40


@pytest.fixture(autouse=True)
def one_thread():
    """Run torch with one thread, so that sums are added in one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def accelerator():
    """Return the accelerator of this process."""
    return start_accelerator()


@pytest.fixture(scope="module")
def tok():
    """Return a byte-level BPE tokenizer trained on a few lines, with an end token and a pad token of its own."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|pad|>"]
    base.train_from_iterator(SNIPPETS * 20, trainers.BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=base, eos_token=special[0], bos_token=special[0], pad_token=special[1])


def gpt2(seed=0, vocab=VOCAB, positions=16, width=32, layers=1, **changes):
    """Return a small GPT-2 with random weights and without dropout."""
    torch.manual_seed(seed)
    rates = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    shape = {"vocab_size": vocab, "n_positions": positions, "n_embd": width, "n_layer": layers, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**shape | rates | changes, bos_token_id=0, eos_token_id=0))
    model.loss_type = "ForCausalLM"
    return model


def ids_of(rows, width=16, seed=1, vocab=VOCAB):
    """Return random token ids."""
    return torch.randint(2, vocab, (rows, width), generator=torch.Generator().manual_seed(seed))


def collate(rows):
    """Stack rows of equal length; labels are a copy."""
    ids = torch.stack([row["input_ids"] for row in rows])
    return {"input_ids": ids, "labels": ids.clone()}


def loader(ids, size):
    """Return a loader in the order of the rows."""
    return DataLoader([{"input_ids": row} for row in ids], batch_size=size, collate_fn=collate)


def gradient(model):
    """Return the gradient of all parameters in one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters()])


# --- the filter


def test_numpy_is_no_match_and_pandas_is():
    assert not any_keyword("import numpy as np", KEYS)
    assert any_keyword("import pandas as pd", KEYS)


def test_a_keyword_is_a_word_and_no_part_of_one():
    assert not any_keyword("expandas", KEYS) and not any_keyword("pandas_like", KEYS) and not any_keyword("Pandas", KEYS)
    assert any_keyword("(pandas)", KEYS) and any_keyword("x.pandas.y", KEYS) and any_keyword("c++ rocks", ["c++"])


def test_the_filter_is_lazy_and_stops_at_the_limit():
    asked = []

    def endless():
        n = 0
        while True:
            asked.append(n)
            yield {"content": "import pandas" if n % 3 == 0 else "x"}
            n += 1

    assert len(list(keyword_filter(endless(), KEYS, limit=4))) == 4
    assert len(asked) == 10  # rows 0, 3, 6, 9 match; nothing is read behind the last


def test_an_empty_stream_is_no_error():
    assert list(keyword_filter(iter([]), KEYS)) == []


@given(st.lists(st.sampled_from(["pandas", "os", "import sklearn", "", "expandas"]), max_size=20), st.integers(1, 5))
def test_the_filter_keeps_what_any_keyword_says(texts, limit):
    rows = [{"code": text} for text in texts]
    right = [row for row in rows if any_keyword(row["code"], KEYS)]
    assert list(keyword_filter(rows, KEYS, field="code")) == right
    assert list(keyword_filter(rows, KEYS, field="code", limit=limit)) == right[:limit]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: keyword_filter([], "pandas"), TypeError, "list of words"),
        (lambda: keyword_filter([], []), ValueError, "keys is empty"),
        (lambda: keyword_filter([], ["a", 3]), TypeError, "got 3"),
        (lambda: keyword_filter([], KEYS, limit=0), ValueError, "limit must be"),
        (lambda: list(keyword_filter([{"text": "x"}], KEYS)), KeyError, "no column 'content'"),
    ],
)
def test_bad_filters_are_named(call, error, said):
    with pytest.raises(error, match=said):
        call()


# --- windows and chunks


def test_windows_of_toy_files(tok):
    texts = ["a b c d e f g", "a b", "", "a b c d"]
    counts = [len(tok(text)["input_ids"]) for text in texts]
    windows = window_tokenize(tok, texts, 3, keep_tail=True)
    assert len(windows) == sum(math.ceil(n / 3) for n in counts)
    assert [len(w) for w in window_tokenize(tok, texts, 3)] == [3] * sum(n // 3 for n in counts)
    assert sum(windows, []) == sum(tok(texts)["input_ids"], [])  # in order, and nothing is lost
    assert window_tokenize(tok, [], 3) == []


@given(st.lists(st.lists(st.integers(1, 9), max_size=12), max_size=8), st.integers(1, 9))
def test_packing_loses_one_tail_and_nothing_else(documents, size):
    chunks = pack_documents(documents, size, 0)
    joined = [token for ids in documents for token in [*ids, 0]]
    assert sum(chunks, []) == joined[: len(joined) // size * size]
    assert all(len(chunk) == size for chunk in chunks)
    assert sum(map(len, chunks)) == sum(len(ids) + 1 for ids in documents) - len(joined) % size


def test_packing_takes_a_generator_and_leaves_its_rows_alone():
    rows = [[1, 2], [3]]
    assert pack_documents((row for row in rows), 2, 0) == [[1, 2], [0, 3]] and rows == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda tok: window_tokenize(tok, "text", 4), TypeError, r"write \[text\]"),
        (lambda tok: window_tokenize(tok, ["text"], 1), ValueError, "size must be"),
        (lambda tok: pack_documents([[1]], 0, 0), ValueError, "size must be"),
        (lambda tok: pack_documents([[1]], 4, None), TypeError, "eos_token_id"),
    ],
)
def test_bad_windows_are_named(tok, call, error, said):
    with pytest.raises(error, match=said):
        call(tok)


# --- who shifts, and which labels are lost


@pytest.mark.known_error("c19")
def test_the_collator_copies_and_the_model_shifts(tok):
    """SLIP c19: the labels a collator makes are the inputs; the model compares position i with token i + 1."""
    rows = [{"input_ids": row.tolist()} for row in ids_of(3)]
    batch = DataCollatorForLanguageModeling(tok, mlm=False)(rows)
    assert torch.equal(batch["labels"], batch["input_ids"])
    model = gpt2().eval()
    out = model(input_ids=batch["input_ids"], labels=batch["labels"])
    by_hand = cross_entropy(out.logits[:, :-1].flatten(0, 1), batch["input_ids"][:, 1:].flatten())
    unshifted = cross_entropy(out.logits.flatten(0, 1), batch["input_ids"].flatten())
    assert torch.isclose(out.loss, by_hand) and not torch.isclose(out.loss, unshifted)


@pytest.mark.known_error("c20")
def test_a_pad_token_of_its_own_keeps_the_end_of_text_labels(tok):
    """SLIP c20: with pad = eos every label of an end of text becomes -100."""
    rows = [{"input_ids": [5, 6, 0]}, {"input_ids": [7, 0]}]
    careless = PreTrainedTokenizerFast(tokenizer_object=tok.backend_tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    assert (DataCollatorForLanguageModeling(careless, mlm=False)(rows)["labels"] == 0).sum() == 0
    assert (DataCollatorForLanguageModeling(tok, mlm=False)(rows)["labels"] == 0).sum() == 2


# --- the model


@pytest.mark.known_error("c20")
def test_n_positions_sets_the_context_and_n_ctx_does_nothing():
    """SLIP c20: 124,242,432 parameters are those of 1,024 positions, whatever n_ctx says."""
    with torch.device("meta"):
        stored = GPT2LMHeadModel(GPT2Config(vocab_size=50_000, n_ctx=128, bos_token_id=0, eos_token_id=0))
        right = GPT2LMHeadModel(GPT2Config(vocab_size=50_000, n_positions=128, bos_token_id=0, eos_token_id=0))
    assert (stored.num_parameters(), right.num_parameters()) == (124_242_432, 123_554_304)


@pytest.mark.parametrize("vocab", [50, 1024, 5000])
def test_an_untrained_model_finds_all_tokens_equally_likely(vocab):
    ids = ids_of(8, vocab=vocab)
    loss = gpt2(vocab=vocab, width=64)(input_ids=ids, labels=ids).loss.item()
    assert abs(loss - math.log(vocab)) < 0.3


def test_a_tiny_model_learns_two_snippets_by_heart(tok, accelerator):
    """Given the first words, it writes the rest and then stops: the end of text is among the labels."""
    rows = [{"input_ids": tok(text)["input_ids"] + [tok.eos_token_id]} for text in SNIPPETS]
    model = gpt2(vocab=len(tok), positions=64, width=64, layers=2)
    batches = DataLoader(rows, batch_size=2, collate_fn=DataCollatorForLanguageModeling(tok, mlm=False))
    history = fit_loop(model, torch.optim.AdamW(decay_groups(model, 0.0), lr=5e-3), (batches,), accelerator, 80, max_norm=1.0, progress=False)
    assert history[-1]["loss"] < 0.1 < history[0]["loss"]
    for text, start in zip(SNIPPETS, ("import pandas", "from sklearn"), strict=True):
        assert complete(model, tok, start) == text


# --- counting


def slow_ngrams(rows, order, vocab):
    """Return probability and guess of each target by the definition, with dictionaries."""
    counts = [defaultdict(Counter) for _ in range(order)]
    for row in rows:
        for n in range(order):
            for j in range(n, len(row)):
                counts[n][tuple(row[j - n : j])][row[j]] += 1

    def predict(row, j):
        p, guess = 1 / vocab, 0
        for n in range(min(order, j + 1)):
            after = counts[n].get(tuple(row[j - n : j]))
            if after:
                p = (after[row[j]] + len(after) * p) / (after.total() + len(after))
                guess = min(after, key=lambda token: (-after[token], token))
        return p, guess

    return predict


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(3, 5))
def test_ngrams_equal_a_table_of_dictionaries(data, order, width):
    table = st.lists(st.lists(st.integers(0, 4), min_size=width, max_size=width), min_size=1, max_size=6)
    rows, held_out = data.draw(table), data.draw(table)
    p, guess = NGrams(rows, order, 5).predict(held_out)
    slow = slow_ngrams(rows, order, 5)
    for i, row in enumerate(held_out):
        for j in range(1, width):
            right_p, right_guess = slow(row, j)
            assert math.isclose(p[i, j - 1], right_p) and guess[i, j - 1] == right_guess


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=1, max_size=5), st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_ngram_probabilities_sum_to_one(rows, history):
    model = NGrams(rows, 3, 5)
    assert math.isclose(sum(model.predict([[*history, x]])[0][0, -1] for x in range(5)), 1.0)


def test_figures_of_ngrams_are_those_of_their_predictions():
    rows = ids_of(6).numpy()
    model = NGrams(rows, 2, VOCAB)
    p, guess = model.predict(rows)
    found = model.figures(rows)
    assert math.isclose(found["loss"], -np.log(p).mean()) and math.isclose(found["perplexity"], math.exp(found["loss"]))
    assert found["accuracy"] == (guess == rows[:, 1:]).mean() and found["targets"] == 6 * 15


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: NGrams([[1, 2]], 0, 5), "order must be"),
        (lambda: NGrams([[1, 2]], 5, 50_000), "64 bits"),
        (lambda: NGrams([1, 2], 1, 5), "rows must be"),
        (lambda: NGrams([[1, 9]], 1, 5), "ids from 1 to 9"),
        (lambda: NGrams([[0.5, 1.0]], 1, 5), "rows must be"),
        (lambda: NGrams([[1, 2]], 3, 5), "3 tokens or more"),
    ],
)
def test_bad_tables_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# --- keywords and their loss


def test_single_tokens_are_found_with_and_without_their_space(tok):
    found, rejected = single_token_ids(tok, ["fit", " pd", "testtest", " import", "", " pd"])
    assert "testtest" in rejected and "" in rejected
    assert len(found) == len(set(found)) and all(len(tok.decode([i])) > 1 for i in found)
    with pytest.raises(TypeError, match=r"write \[word\]"):
        single_token_ids(tok, "fit")


@pytest.mark.known_error("c20")
def test_the_weighted_loss_is_plain_without_keywords():
    """SLIP c20: an empty list of keywords crashed."""
    ids = ids_of(5)
    out = gpt2()(input_ids=ids, labels=ids)
    plain = cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    for keys in ([], [0, 1]):  # no keyword at all, and keywords that do not occur
        for normalize in (False, True):
            assert torch.isclose(keytoken_weighted_loss(ids, out.logits, keys, normalize=normalize), plain)
    assert torch.isclose(plain, out.loss)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sets(st.integers(0, 9), max_size=4), st.floats(0.1, 5.0), st.booleans())
def test_the_weighted_loss_row_by_row(seed, keys, alpha, normalize):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 10, (4, 6), generator=generator)
    logits = torch.randn(4, 6, 10, generator=generator)
    losses = [cross_entropy(logits[i, :-1], ids[i, 1:]).item() for i in range(4)]
    weights = [alpha * (1 + sum(int(token) in keys for token in ids[i, 1:])) for i in range(4)]
    right = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / (sum(weights) if normalize else 4)
    assert math.isclose(keytoken_weighted_loss(ids, logits, keys, alpha, normalize).item(), right, rel_tol=1e-5)


@pytest.mark.known_error("c20")
def test_the_first_token_is_no_target():
    """SLIP c20: a keyword at the front of a row counted although nothing predicts it."""
    assert keytoken_weights(torch.tensor([[3, 1, 2], [1, 3, 3]]), [3]).tolist() == [1, 3]


@pytest.mark.known_error("c20")
def test_normalized_weights_leave_the_gradient_its_length():
    """SLIP c20: a batch in which every row has 3 keywords made the gradient 4 times as long."""
    ids = ids_of(4)
    ids[:, 1:] = torch.where(ids[:, 1:] == 3, 4, ids[:, 1:])
    ids[:, 5:8] = 3
    lengths = {}
    for name, keys, normalize in (("plain", [], False), ("sum", [3], False), ("mean", [3], True)):
        model = gpt2()
        keytoken_weighted_loss(ids, model(input_ids=ids).logits, keys, normalize=normalize).backward()
        lengths[name] = gradient(model).norm().item()
    assert math.isclose(lengths["sum"], 4 * lengths["plain"], rel_tol=1e-4)
    assert math.isclose(lengths["mean"], lengths["plain"], rel_tol=1e-4)


def test_padding_neither_counts_nor_weighs():
    ids = ids_of(2, width=6)
    logits = torch.randn(2, 6, VOCAB, generator=torch.Generator().manual_seed(0))
    short = keytoken_weighted_loss(ids[:, :4], logits[:, :4], [int(ids[0, 2])], normalize=True)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]] * 2)
    ids[:, 4:] = int(ids[0, 2])  # the filler happens to be a keyword
    assert torch.isclose(keytoken_weighted_loss(ids, logits, [int(ids[0, 2])], normalize=True, mask=mask), short)
    left, moved = torch.roll(ids, 2, 1), torch.roll(logits, 2, 1)
    assert torch.isclose(keytoken_weighted_loss(left, moved, [int(ids[0, 2])], normalize=True, mask=torch.roll(mask, 2, 1)), short)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": torch.zeros(3, dtype=torch.long)}, "ids must have the shape"),
        ({"logits": torch.zeros(2, 3, 9)}, "logits must have the shape"),
        ({"key_ids": [9]}, "key_ids holds 9"),
        ({"key_ids": [-1]}, "key_ids holds -1"),
        ({"alpha": 0.0}, "alpha must be"),
        ({"mask": torch.ones(2, 3)}, "mask must have the shape"),
        ({"mask": torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])}, "without a target"),
    ],
)
def test_bad_losses_are_named(change, said):
    given = {"ids": torch.zeros(2, 4, dtype=torch.long), "logits": torch.zeros(2, 4, 9), "key_ids": [3]} | change
    with pytest.raises(ValueError, match=said):
        keytoken_weighted_loss(**given)


# --- the loop


@pytest.mark.known_error("c20")
def test_eight_parts_of_four_give_the_gradient_and_loss_of_thirty_two(accelerator):
    """SLIP c20: the loss that was printed was eight times too large."""
    ids, noted = ids_of(32), {}
    for size, accum in ((4, 8), (32, 1)):
        model = gpt2()
        (entry,) = fit_loop(model, torch.optim.SGD(model.parameters(), lr=1.0), (loader(ids, size),), accelerator, 1, accum=accum, scheduler="constant", max_norm=1e9, progress=False)
        noted[size] = entry, torch.cat([p.detach().flatten() for p in model.parameters()])
    assert math.isclose(noted[4][0]["loss"], noted[32][0]["loss"], rel_tol=1e-5)
    assert math.isclose(noted[4][0]["grad_norm"], noted[32][0]["grad_norm"], rel_tol=1e-4)
    assert torch.allclose(noted[4][1], noted[32][1], atol=1e-5)
    assert noted[4][0]["loss"] < 1.1 * math.log(VOCAB)


def test_weighted_parts_give_the_gradient_of_the_weighted_whole(accelerator):
    ids, keys, noted = ids_of(12), [3, 4, 5], {}
    for size, accum in ((5, 3), (12, 1)):  # parts of 5, 5 and 2 rows
        model = gpt2()
        (entry,) = fit_loop(
            model, torch.optim.SGD(model.parameters(), lr=1.0), (loader(ids, size),), accelerator, 1, accum=accum, scheduler="constant", max_norm=1e9, progress=False,
            loss_fn=lambda out, batch: keytoken_weighted_loss(batch["input_ids"], out["logits"], keys, normalize=True),
            count_fn=lambda batch: int(keytoken_weights(batch["input_ids"], keys).sum()),
        )  # fmt: skip
        noted[size] = entry, torch.cat([p.detach().flatten() for p in model.parameters()])
    assert math.isclose(noted[5][0]["loss"], noted[12][0]["loss"], rel_tol=1e-5)
    assert torch.allclose(noted[5][1], noted[12][1], atol=1e-5)


@pytest.mark.known_error("c20")
def test_the_schedule_counts_steps_ends_at_zero_and_the_last_group_is_stepped(accelerator):
    """SLIP c20: a schedule that counts micro-batches ends near 88 % of its peak; a last short group was dropped."""
    model, ids = gpt2(), ids_of(27)
    optimizer = torch.optim.AdamW(decay_groups(model, 0.1), lr=1.0e-3)
    assert planned_steps(accelerator.prepare(loader(ids, 2)), 1, accum=4) == 4  # 14 batches: three groups of 4, one of 2
    history = fit_loop(model, optimizer, (loader(ids, 2),), accelerator, 1, accum=4, progress=False)
    assert [step["targets"] for step in history] == [8 * 16, 8 * 16, 8 * 16, 3 * 16]
    assert math.isclose(history[-1]["lr"], 1e-3 / 4) and optimizer.param_groups[0]["lr"] == 0.0
    wrong = get_scheduler("linear", optimizer=torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), num_warmup_steps=0, num_training_steps=800)
    for _ in range(100):
        wrong.optimizer.step()
        wrong.step()
    assert math.isclose(wrong.get_last_lr()[0], 0.875)


@pytest.mark.known_error("c20")
def test_decay_groups_know_ln_1_and_a_list_of_names_does_not():
    """SLIP c20: "LayerNorm.weight" hits none of GPT-2's norms."""
    model = gpt2(layers=12)
    names = [name for name, _ in model.named_parameters()]
    norms = {name for name in names if ".ln_" in name and name.endswith("weight")}
    assert len(norms) == 25 and not any("LayerNorm.weight" in name for name in names)
    name_of = {id(p): name for name, p in model.named_parameters()}
    decayed, spared = ({name_of[id(p)] for p in group["params"]} for group in decay_groups(model, 0.1))
    assert norms < spared == norms | {name for name in names if name.endswith("bias")}
    assert decayed | spared == set(names) and not decayed & spared


@pytest.mark.known_error("c20")
def test_losses_without_a_dimension_cannot_be_joined_and_torch_never_overflows(accelerator):
    """SLIP c20: `torch.cat` of batch losses raises on one process, and `torch.exp` gives inf instead of OverflowError."""
    with pytest.raises(RuntimeError, match="zero-dimensional"):
        torch.cat([torch.tensor(1.0), torch.tensor(2.0)])
    assert torch.exp(torch.tensor(1000.0)) == math.inf
    rows = {"loss": torch.tensor([8000.0, 7000.0]), "targets": torch.tensor([8, 8]), "hits": torch.tensor([0, 1])}
    assert lm_figures(rows)["perplexity"] == math.inf and lm_figures(rows)["accuracy"] == 1 / 16


def test_figures_do_not_depend_on_the_batches(accelerator):
    ids, model = ids_of(13), gpt2()
    found = [lm_figures(evaluate_loop(model, accelerator.prepare(loader(ids, size)), accelerator, lm_rows, progress=False)) for size in (1, 4, 13)]
    with torch.no_grad():
        loss = model.eval()(input_ids=ids, labels=ids).loss.item()
    for each in found:
        assert each["targets"] == 13 * 15 and each["accuracy"] == found[0]["accuracy"]
        assert math.isclose(each["loss"], loss, rel_tol=1e-5) and math.isclose(each["perplexity"], math.exp(each["loss"]))


def test_masked_positions_are_no_targets():
    model, ids = gpt2(), ids_of(2)
    labels = ids.clone()
    labels[:, 10:] = -100
    with_labels = lm_rows(model, {"input_ids": ids, "labels": labels})
    with_mask = lm_rows(model, {"input_ids": ids, "attention_mask": (labels != -100).long()})
    assert with_labels["targets"].tolist() == with_mask["targets"].tolist() == [9, 9]
    assert torch.allclose(with_labels["loss"], with_mask["loss"], rtol=1e-5)
    with pytest.raises(ValueError, match="no target"):
        lm_figures({"loss": torch.zeros(1), "targets": torch.zeros(1), "hits": torch.zeros(1)})


# --- writing


def test_complete_goes_on_from_the_prompt(tok):
    model = gpt2(vocab=len(tok), positions=32).train()
    text = complete(model, tok, "import pandas", max_new_tokens=5)
    assert text.startswith("import pandas") and text == complete(model, tok, "import pandas", max_new_tokens=5)
    assert model.training
    ids = tok("import pandas", return_tensors="pt")["input_ids"]
    by_hand = ids
    model.eval()
    for _ in range(5):
        by_hand = torch.cat([by_hand, model(by_hand).logits[:, -1:].argmax(-1)], dim=1)
    expected = by_hand[0, ids.shape[1] :].tolist()
    expected = expected[: expected.index(0)] if 0 in expected else expected
    assert text == "import pandas" + tok.decode(expected, skip_special_tokens=True)


def test_complete_keeps_within_the_context(tok):
    model = gpt2(vocab=len(tok), positions=8)
    assert complete(model, tok, "import pandas").startswith("import pandas")  # as much as there is room for
    with pytest.raises(ValueError, match="room for"):
        complete(model, tok, "import pandas", max_new_tokens=30)
    with pytest.raises(ValueError, match="prompt is empty"):
        complete(model, tok, "")


# --- two processes

WORKER = """
import json, sys, torch
sys.path.insert(0, sys.argv[1])
from test_causal_lm import gpt2, ids_of, loader
from course_nlp.causal_lm import lm_figures, lm_rows
from course_nlp.training import evaluate_loop, start_accelerator
torch.set_num_threads(1)
accelerator = start_accelerator()
model, rows = accelerator.prepare(gpt2(), loader(ids_of(13), 4))
found = lm_figures(evaluate_loop(model, rows, accelerator, lm_rows, progress=False))
if accelerator.is_main_process:
    print("FIGURES", json.dumps(found | {"processes": accelerator.num_processes}))
"""


def test_two_processes_give_the_perplexity_of_one(tmp_path, accelerator):
    """Thirteen rows in batches of four do not come out even on two processes."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    keep = ("PATH", "PYTHONPATH", "HOME", "LANG")
    env = {name: os.environ[name] for name in keep if name in os.environ} | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), os.path.dirname(__file__)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FIGURES")]
    two = json.loads(line.removeprefix("FIGURES"))
    one = lm_figures(evaluate_loop(gpt2(), accelerator.prepare(loader(ids_of(13), 4)), accelerator, lm_rows, progress=False))
    assert two.pop("processes") == 2 and two["targets"] == one["targets"] == 13 * 15
    assert two == pytest.approx(one, abs=1e-6)
