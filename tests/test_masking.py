"""Masked language modeling: which words are hidden, how the guesses are scored; and the known errors of older material."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_nlp.chunking import concat_chunks
from course_nlp.masking import (
    WholeWordCollator,
    freeze_masks,
    mask_stats,
    masked_rows,
    masked_scores,
    top_k_fill,
    whole_word_mask,
)
from course_nlp.metrics import perplexity, token_weighted_loss

LETTERS = [chr(c) for c in range(ord("a"), ord("j") + 1)]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB = [*SPECIALS, ".", *LETTERS, *("##" + letter for letter in LETTERS)]
PAD, UNK, CLS, SEP, MASK = range(5)


@pytest.fixture(scope="module")
def tokenizer():
    """Return a BERT tokenizer that knows ten letters: `bad` becomes b ##a ##d."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={token: i for i, token in enumerate(VOCAB)}, model_max_length=64)


def tiny_model(**changes):
    """Return a masked BERT with two layers of 32, the same each time."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertForMaskedLM(BertConfig(vocab_size=len(VOCAB), max_position_embeddings=64, **sizes | dropout | changes))


def texts(count, seed=0):
    """Return texts of one to nine words of one to three letters, each word an alphabet's neighbors: ab, ghi, j."""
    draw, out = np.random.default_rng(seed), []
    for _ in range(count):
        starts, lengths = draw.integers(0, 8, n := int(draw.integers(1, 10))), draw.integers(1, 4, n)
        out.append(" ".join("".join(LETTERS[start : start + length]) for start, length in zip(starts, lengths, strict=True)) + " .")
    return out


def chunks(tokenizer, count=200, size=32, seed=0):
    """Return chunks with word ids, as the lesson makes them."""
    from datasets import Dataset

    encoding = tokenizer(texts(count, seed))
    batch = {"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"],
             "word_ids": [encoding.word_ids(i) for i in range(count)]}  # fmt: skip
    return Dataset.from_dict(concat_chunks(batch, size))


def stock(tokenizer, **changes):
    """Return the collator of transformers."""
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, **changes)


def within(share, expected, count):
    """Say whether a share of `count` draws lies within five standard errors of what was expected."""
    return abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / count)


# --- whole words -----------------------------------------------------------------------------------------------------


@st.composite
def rows(draw):
    """Return a row as chunks have it: a piece of several texts with special tokens between them."""
    word_ids, input_ids = [], []
    for _ in range(draw(st.integers(1, 4))):
        word_ids.append(None)
        input_ids.append(CLS)
        for word, length in enumerate(draw(st.lists(st.integers(1, 4), max_size=5))):
            word_ids += [word] * length
            input_ids += draw(st.lists(st.integers(5, len(VOCAB) - 1), min_size=length, max_size=length))
        word_ids.append(None)
        input_ids.append(SEP)
    start = draw(st.integers(0, len(word_ids) - 1))
    end = draw(st.integers(start + 1, len(word_ids)))
    return word_ids[start:end], input_ids[start:end]


def words_of(word_ids):
    """Return [(start, end)] of the words of a row, by the plainest of loops."""
    found, start = [], None
    for place, word in enumerate([*word_ids, None]):
        if start is not None and word != word_ids[start]:
            found.append((start, place))
            start = None
        if start is None and word is not None:
            start = place
    return found


@given(rows(), st.floats(0, 1), st.integers(0, 10), st.booleans())
def test_whole_words_all_or_none(row, p, seed, edges):
    word_ids, input_ids = row
    shares = {"mask_replace_prob": 0.6, "random_replace_prob": 0.2, "random_ids": [9]}
    hidden, labels = whole_word_mask(word_ids, input_ids, MASK, p, np.random.default_rng(seed), {CLS, SEP, PAD}, edges=edges, **shares)
    assert all(label in (-100, old) for label, old in zip(labels, input_ids, strict=True))
    assert all(new == old for new, old, label in zip(hidden, input_ids, labels, strict=True) if label == -100)
    assert all(new in (MASK, 9, old) for new, old in zip(hidden, input_ids, strict=True))
    assert all(label == -100 for label, word in zip(labels, word_ids, strict=True) if word is None)
    for start, end in words_of(word_ids):
        assert len({label == -100 for label in labels[start:end]}) == 1
        if not edges and (start == 0 or end == len(word_ids)):  # the chunk may have cut it
            assert labels[start] == -100
        elif p == 1:
            assert labels[start:end] == input_ids[start:end]
    if p == 0:
        assert (hidden, set(labels)) == (input_ids, {-100})


@pytest.mark.known_error("c08")
def test_first_words_of_two_texts_stay_apart():
    """[CLS] a [SEP] [CLS] b c: older code did not end a word at None, and both words 0 were one."""
    word_ids, input_ids = [None, 0, None, None, 0, 1, None], [CLS, 7, SEP, CLS, 8, 9, SEP]
    apart = set()
    for seed in range(40):
        _, labels = whole_word_mask(word_ids, input_ids, MASK, 0.5, np.random.default_rng(seed), {CLS, SEP})
        apart.add((labels[1] != -100, labels[4] != -100))
    assert apart == {(False, False), (False, True), (True, False), (True, True)}


@pytest.mark.known_error("c08")
def test_inputs_are_not_changed_and_the_global_random_state_is_not_used(tokenizer):
    data = chunks(tokenizer, 20)
    features = [data[0], data[1]]
    before = [{name: list(values) for name, values in row.items()} for row in features]
    np.random.seed(1)
    torch.manual_seed(1)
    expected = np.random.random(), float(torch.rand(1))
    np.random.seed(1)
    torch.manual_seed(1)
    first = WholeWordCollator(tokenizer, p=0.5, seed=3)(features)
    assert features == before
    assert (np.random.random(), float(torch.rand(1))) == expected
    again = WholeWordCollator(tokenizer, p=0.5, seed=3)(features)
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.known_error("c08")
def test_words_cut_at_a_chunk_edge_are_left_alone(tokenizer):
    encoding = tokenizer(["abc " * 30], add_special_tokens=False)
    batch = {"input_ids": encoding["input_ids"], "word_ids": [encoding.word_ids(0)]}
    data = concat_chunks(batch, 16, labels=False)  # three tokens a word: 16 cuts one at nearly every edge
    collator = WholeWordCollator(tokenizer, p=1.0, mask_replace_prob=1.0, random_replace_prob=0.0)
    out = collator([dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)])
    masked, text_words = (out["labels"] != -100).flatten().tolist(), [word for row in data["word_ids"] for word in row]
    for word in set(text_words):
        assert len({hidden for hidden, w in zip(masked, text_words, strict=True) if w == word}) == 1  # over all chunks
    assert 0 < sum(masked) < len(masked)


def test_a_special_token_ends_a_word_whatever_its_word_id_says():
    _, labels = whole_word_mask([0, 0, 0], [7, SEP, 8], MASK, 1.0, np.random.default_rng(0), {SEP}, edges=True)
    assert labels == [7, -100, 8]


def test_one_number_for_two_words_without_a_special_token_between():
    """The limit of word ids: two texts of one word, joined without [SEP], cannot be told apart."""
    draws = {tuple(whole_word_mask([0, 0], [7, 8], MASK, 0.5, np.random.default_rng(s), (), edges=True)[1]) for s in range(20)}
    assert draws == {(-100, -100), (7, 8)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"p": 1.5}, ValueError, "p must be a probability between 0 and 1, got 1.5"),
        ({"p": float("nan")}, ValueError, "p must be a probability"),
        ({"word_ids": [0]}, ValueError, "word_ids has 1 entries and input_ids 2"),
        ({"rng": 42}, TypeError, r"rng must be a numpy Generator, got int 42; pass numpy.random.default_rng\(42\)"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, ValueError, "sum to at most 1, got 0.8 and 0.3"),
        ({"mask_replace_prob": -0.1}, ValueError, "got -0.1 and 0.0"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.1}, ValueError, "random_ids is needed with random_replace_prob=0.1"),
    ],
)
def test_arguments_that_cannot_be_right(change, error, message):
    fine = {"word_ids": [0, 1], "input_ids": [7, 8], "mask_id": MASK, "p": 0.5, "rng": np.random.default_rng(0), "specials": {CLS}}
    with pytest.raises(error, match=message):
        whole_word_mask(**fine | change)


# --- collators ---------------------------------------------------------------------------------------------------------


def test_shares_of_what_a_collator_does(tokenizer):
    """15 % chosen, of these 80/10/10: the library's collator and ours, within five standard errors."""
    data = chunks(tokenizer, 2000)
    token = stock(tokenizer, seed=0)([{"input_ids": row} for row in data["input_ids"]])
    whole = WholeWordCollator(tokenizer, p=0.15, edges=True)(list(data))
    for batch, group in ((token, 1), (whole, 3)):  # whole words: fewer independent draws
        stats = mask_stats(batch, tokenizer)
        assert within(stats["rate"], 0.15, stats["tokens"] / group)
        kept = 0.1 + 0.1 / len(VOCAB)  # a random token may be the old one
        assert within(stats["masked"], 0.8, stats["targets"]) and within(stats["unchanged"], kept, stats["targets"])
        assert stats["masked"] + stats["random"] + stats["unchanged"] == pytest.approx(1)
        originals = torch.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])
        assert torch.equal(originals, torch.tensor(data["input_ids"][:]))
        assert not torch.isin(batch["labels"], torch.tensor([PAD, CLS, SEP, MASK])).any()  # specials are never chosen


def test_labels_are_the_inputs_before_collation_and_minus_100_where_nothing_was_chosen(tokenizer):
    data = chunks(tokenizer, 50)
    assert data["labels"][:] == data["input_ids"][:]
    batch = WholeWordCollator(tokenizer, p=0.3)(list(data))
    old = torch.tensor(data["input_ids"][:])
    untouched = batch["labels"] == -100
    assert torch.equal(batch["input_ids"][untouched], old[untouched])
    assert torch.equal(batch["labels"][~untouched], old[~untouched])


def test_without_random_tokens_every_target_is_the_mask_token(tokenizer):
    batch = WholeWordCollator(tokenizer, p=0.5, mask_replace_prob=1.0, random_replace_prob=0.0)(list(chunks(tokenizer, 50)))
    stats = mask_stats(batch, tokenizer)
    assert (stats["masked"], stats["random"], stats["unchanged"]) == (1.0, 0.0, 0.0)
    assert torch.equal(batch["input_ids"] == MASK, batch["labels"] != -100)


def test_random_tokens_are_never_special(tokenizer):
    batch = WholeWordCollator(tokenizer, p=1.0, mask_replace_prob=0.0, random_replace_prob=1.0)(list(chunks(tokenizer, 300)))
    assert not torch.isin(batch["input_ids"][batch["labels"] != -100], torch.arange(5)).any()


def test_rows_of_unequal_length_are_padded_on_the_tokenizers_side(tokenizer):
    short = {"input_ids": [CLS, 7, SEP], "word_ids": [None, 0, None], "token_type_ids": [0, 0, 0]}
    long = {"input_ids": [CLS, 7, 8, 9, SEP], "word_ids": [None, 0, 1, 2, None], "token_type_ids": [0, 0, 0, 0, 0]}
    for side, gap in (("right", slice(3, 5)), ("left", slice(0, 2))):
        tokenizer.padding_side = side
        batch = WholeWordCollator(tokenizer, p=1.0)([short, long])
        assert {name: tuple(value.shape) for name, value in batch.items()} == dict.fromkeys(
            ("input_ids", "attention_mask", "labels", "token_type_ids"), (2, 5)
        )
        assert batch["input_ids"][0, gap].tolist() == [PAD, PAD] and batch["attention_mask"][0, gap].tolist() == [0, 0]
        assert batch["labels"][0, gap].tolist() == [-100, -100] and int(batch["attention_mask"].sum()) == 8
    tokenizer.padding_side = "right"
    kept = WholeWordCollator(tokenizer)([short | {"attention_mask": [1, 1, 0]}])
    assert kept["attention_mask"].tolist() == [[1, 1, 0]]


def test_epochs_and_workers_draw_their_own_masks(tokenizer):
    from torch.utils.data import DataLoader

    def epochs(workers, seed=0):
        torch.manual_seed(seed)
        loader = DataLoader([chunks(tokenizer, 20)[0]] * 8, batch_size=2, collate_fn=WholeWordCollator(tokenizer, p=0.5), num_workers=workers)
        return [[tuple(batch["labels"].flatten().tolist()) for batch in loader] for _ in range(2)]

    for workers in (0, 2):
        once = epochs(workers)
        assert len({batch for epoch in once for batch in epoch}) == 8  # no batch and no epoch like another
        assert once == epochs(workers)


def test_missing_word_ids_are_explained(tokenizer):
    with pytest.raises(ValueError, match="no 'word_ids', only input_ids, attention_mask; keep the column, and set remove_unused_columns=False"):
        WholeWordCollator(tokenizer)([{"input_ids": [7], "attention_mask": [1]}])
    with pytest.raises(ValueError, match="features is empty"):
        WholeWordCollator(tokenizer)([])
    with pytest.raises(ValueError, match="p must be a probability"):
        WholeWordCollator(tokenizer, p=20)
    with pytest.raises(ValueError, match="sum to at most 1"):
        WholeWordCollator(tokenizer, mask_replace_prob=1.0, random_replace_prob=0.5)


def test_a_tokenizer_without_a_mask_token_is_refused():
    class NoMask:
        mask_token_id = None

    with pytest.raises(ValueError, match="tokenizer has no mask token"):
        WholeWordCollator(NoMask())


def test_the_librarys_words_are_gaps_between_letters(tokenizer):
    """What the lesson says of `whole_word_mask=True`: a word and the full stop behind it are one; so is an unspaced sentence."""
    encoding = tokenizer("ab cd.", return_offsets_mapping=True)
    collator = stock(tokenizer, whole_word_mask=True, mlm_probability=0.5, mask_replace_prob=1.0, random_replace_prob=0.0, seed=0)
    row = {name: encoding[name] for name in ("input_ids", "offset_mapping")}
    assert encoding.word_ids() == [None, 0, 0, 1, 1, 2, None]
    theirs = {tuple((collator([dict(row)])["labels"][0] != -100).tolist()) for _ in range(60)}
    assert {hidden[3:6] for hidden in theirs} == {(True, True, True), (False, False, False)}
    ours = WholeWordCollator(tokenizer, p=0.5)
    drawn = {tuple((ours([{**row, "word_ids": encoding.word_ids()}])["labels"][0] != -100).tolist())[3:6] for _ in range(60)}
    assert drawn == {(True, True, True), (False, False, False), (True, True, False), (False, False, True)}


# --- fixed masks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
def test_fixed_masks_are_the_same_each_time_and_leave_the_collator_alone(tokenizer, whole):
    data = chunks(tokenizer, 60)
    collator = WholeWordCollator(tokenizer, p=0.3, seed=7) if whole else stock(tokenizer, mlm_probability=0.3)
    rows = data if whole else data.remove_columns("word_ids")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    frozen = freeze_masks(rows, collator, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert frozen.column_names == (["input_ids", "attention_mask", "labels"])
    again, other = freeze_masks(rows, collator, seed=1), freeze_masks(rows, collator, seed=2)
    assert frozen[:] == again[:] and frozen[:] != other[:]
    assert collator.generator is None and (not whole or collator.seed == 7)
    assert len(frozen) == len(data)


def test_fixed_masks_of_rows_of_unequal_length_have_no_padding(tokenizer):
    rows = [{"input_ids": [CLS, 7, SEP]}, {"input_ids": [CLS, 7, 8, 9, SEP]}]
    assert [len(row) for row in freeze_masks(rows, stock(tokenizer))["labels"]] == [3, 5]


def test_nothing_to_freeze_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="nothing to score in 0 rows"):
        freeze_masks([], stock(tokenizer))
    with pytest.raises(ValueError, match="must return labels"):
        freeze_masks([{"input_ids": [7]}], lambda rows: {"input_ids": torch.tensor([[7]])})


def test_masks_are_bit_equal_twice_and_random_ones_are_not(tokenizer):
    from accelerate import Accelerator
    from torch.utils.data import DataLoader
    from transformers import default_data_collator

    from course_nlp.training import evaluate_loop

    data, accelerator = chunks(tokenizer, 60).remove_columns("word_ids"), Accelerator(cpu=True)
    model = tiny_model()

    def score(rows, collate):
        loader = accelerator.prepare(DataLoader(rows, batch_size=8, collate_fn=collate))
        return masked_scores(evaluate_loop(model, loader, accelerator, masked_rows))["perplexity"]

    frozen = freeze_masks(data, stock(tokenizer))
    assert score(frozen, default_data_collator) == score(frozen, default_data_collator)
    torch.manual_seed(0)
    collator = stock(tokenizer)
    assert score(data, collator) != score(data, collator)


# --- statistics and scores ---------------------------------------------------------------------------------------------


def test_mask_stats_by_hand(tokenizer):
    batch = {"input_ids": [[CLS, MASK, 7, 9, SEP, PAD]], "labels": [[-100, 8, 7, 6, -100, -100]]}
    third = pytest.approx(1 / 3)
    assert mask_stats(batch, tokenizer) == {"tokens": 3, "targets": 3, "rate": 1.0, "masked": third, "random": third, "unchanged": third}
    nothing = {"input_ids": torch.tensor([[CLS, 7]]), "labels": torch.tensor([[-100, -100]])}
    assert mask_stats(nothing, tokenizer) == {"tokens": 1, "targets": 0, "rate": 0.0, "masked": 0.0, "random": 0.0, "unchanged": 0.0}
    assert mask_stats({"input_ids": [[CLS]], "labels": [[-100]]}, tokenizer)["rate"] == 0.0
    with pytest.raises(ValueError, match="labels has the shape"):
        mask_stats({"input_ids": [[7, 8]], "labels": [[-100]]}, tokenizer)


def test_scores_are_those_of_the_models_own_loss(tokenizer):
    data = freeze_masks(chunks(tokenizer, 40).remove_columns("word_ids"), stock(tokenizer)).with_format("torch")
    batch, model = data[:8], tiny_model().eval()
    with torch.no_grad():
        rows, own = masked_rows(model, batch), model(**batch)
    scores = masked_scores(rows)
    assert scores["loss"] == pytest.approx(own.loss.item(), abs=1e-6)
    assert scores["perplexity"] == perplexity(scores["loss"]) == pytest.approx(math.exp(own.loss.item()), rel=1e-6)
    hits = (own.logits.argmax(-1) == batch["labels"])[batch["labels"] != -100]
    assert scores["accuracy"] == pytest.approx(hits.float().mean().item())
    assert scores["targets"] == int((batch["labels"] != -100).sum())
    assert {name: len(value) for name, value in rows.items()} == {"loss": 8, "targets": 8, "correct": 8}


def test_no_target_is_an_error():
    nothing = torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="rows hold no target"):
        masked_scores({"loss": nothing.float(), "targets": nothing, "correct": nothing})


@pytest.mark.known_error("c09")
def test_the_loss_of_a_data_set_is_that_of_its_targets_not_the_mean_of_its_batches(tokenizer):
    """Batches of unequal targets: the mean of their means depends on how rows were dealt out, the loss does not."""
    data = freeze_masks(chunks(tokenizer, 40).remove_columns("word_ids"), stock(tokenizer)).with_format("torch")
    model = tiny_model().eval()

    def by_batches(size):
        with torch.no_grad():
            batches = [data[i : i + size] for i in range(0, len(data), size)]
            return [(model(**batch).loss.item(), int((batch["labels"] != -100).sum())) for batch in batches]

    with torch.no_grad():
        true = masked_scores(masked_rows(model, data[:]))["loss"]
    pairs = {size: by_batches(size) for size in (1, 3, 8)}
    means = {size: sum(loss for loss, _ in found) / len(found) for size, found in pairs.items() if all(count for _, count in found)}
    for found in pairs.values():
        assert token_weighted_loss(found) == pytest.approx(true, abs=1e-6)
    assert len(means) >= 2 and all(abs(mean - true) > 1e-4 for mean in means.values())


def test_perplexity_falls_in_training_and_accuracy_rises(tokenizer):
    from accelerate import Accelerator
    from torch.utils.data import DataLoader
    from transformers import default_data_collator

    from course_nlp.training import evaluate_loop, fit_loop

    accelerator, model, collator = Accelerator(cpu=True), tiny_model(), WholeWordCollator(tokenizer, p=0.15)
    data = chunks(tokenizer, 300)
    held_out = freeze_masks(chunks(tokenizer, 60, seed=1).remove_columns("word_ids"), stock(tokenizer))
    torch.manual_seed(0)
    loaders = (DataLoader(data, batch_size=16, shuffle=True, collate_fn=collator), DataLoader(held_out, batch_size=16, collate_fn=default_data_collator))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    before = masked_scores(evaluate_loop(model, accelerator.prepare(loaders[1]), accelerator, masked_rows))
    history = fit_loop(model, optimizer, loaders, accelerator, 6, eval_fn=masked_rows, on_eval=masked_scores, progress=False)
    after = history[-1]["eval"]
    assert after["targets"] == before["targets"] and after["accuracy"] > before["accuracy"]
    assert after["perplexity"] < 0.75 * before["perplexity"]


# --- filling gaps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ab [MASK] cd.", "[MASK] [MASK] ab [MASK]"])
def test_the_pipeline_gives_the_same(tokenizer, text):
    from transformers import pipeline

    model = tiny_model()
    oracle = pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")(text, top_k=4)
    model.train()
    found = top_k_fill(model, tokenizer, text, k=4)
    assert model.training
    theirs = oracle if isinstance(oracle[0], list) else [oracle]
    assert [len(gap) for gap in found] == [4] * text.count("[MASK]")
    for mine, gap in zip(found, theirs, strict=True):
        assert [row["token"] for row in mine] == [row["token"] for row in gap]
        assert [row["token_str"] for row in mine] == [row["token_str"] for row in gap]
        assert [row["score"] for row in mine] == pytest.approx([row["score"] for row in gap], abs=1e-6)
        if len(theirs) == 1:
            assert [row["sequence"] for row in mine] == [row["sequence"] for row in gap]
    assert sum(row["score"] for row in found[0]) <= 1


def test_the_other_gaps_stay_open(tokenizer):
    first, second = top_k_fill(tiny_model(), tokenizer, "ab [MASK] cd [MASK]", k=1)
    assert first[0]["sequence"].endswith("[MASK]") and first[0]["sequence"].count("[MASK]") == 1
    assert second[0]["sequence"].startswith("ab [MASK] cd")


def test_texts_that_cannot_be_filled(tokenizer):
    model = tiny_model()
    with pytest.raises(ValueError, match=r"text has no \[MASK\], got 'ab <mask>'"):
        top_k_fill(model, tokenizer, "ab <mask>")
    with pytest.raises(ValueError, match="text has 102 tokens, and the model reads 64"):
        top_k_fill(model, tokenizer, "[MASK]" + " a" * 99)
    for k in (0, True, 2.0, len(VOCAB) + 1):
        with pytest.raises(ValueError, match=f"k must be a number of tokens from 1 to {len(VOCAB)}"):
            top_k_fill(model, tokenizer, "[MASK]", k=k)
    assert len(top_k_fill(model, tokenizer, "[MASK]", k=len(VOCAB))[0]) == len(VOCAB)
