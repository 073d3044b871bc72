"""The claims of lesson 07.08, Two language-modeling guides: nested rows, chunks of one size, targets, perplexity, drawing."""

import math
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from course_nlp.chunking import concat_chunks, iter_chunks
from course_nlp.language_modeling import causal_rows, join_texts
from course_nlp.masking import masked_scores
from course_nlp.stand_ins import DATA, read_jsonl

ROWS = [{name: value for name, value in row.items() if name != "split"} for row in read_jsonl(DATA / "eli5.jsonl")]
END, PAD = 3, 0


@pytest.fixture(scope="module")
def model():
    """Return a small GPT-2 with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=60, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=END, eos_token_id=END, pad_token_id=PAD)
    return GPT2LMHeadModel(config).eval()


@pytest.fixture(scope="module")
def tokenizer():
    """Return a tokenizer of whole words that pads with its end token, as GPT-2's is used."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {word: i for i, word in enumerate(["[UNK]", "[MASK]", "[PAD]", "<end>", *"abcdefgh"])}
    words = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="<end>", pad_token="<end>", mask_token="[MASK]")


def batch_of(rows, columns=40, seed=0):
    """Return random chunks with labels."""
    ids = torch.randint(4, 60, (rows, columns), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}


# --- nested rows


def test_flatten_gives_dotted_columns():
    from datasets import Dataset

    flat = Dataset.from_list(ROWS).flatten()
    assert {"answers.a_id", "answers.text", "answers.score", "answers.text_urls"} <= set(flat.column_names)
    assert "answers" not in flat.column_names and isinstance(flat[0]["answers.text"], list)


def test_joining_keeps_every_answer_in_its_order():
    nested = [row["answers"]["text"] for row in ROWS]
    for texts, joined in zip(nested, join_texts({"answers.text": nested}, "answers.text"), strict=True):
        place = 0
        for text in texts:
            place = joined.index(text, place) + len(text)
        assert place == len(joined) == sum(map(len, texts)) + len(texts) - 1


@given(st.lists(st.lists(st.text(alphabet="ab.", min_size=1), max_size=4), max_size=5))
def test_joined_texts_can_be_cut_apart_again(nested):
    joined = join_texts({"x": nested}, "x", separator="\n")
    assert [text.split("\n") if text else [] for text in joined] == nested


def test_a_plain_string_is_no_list_of_texts():
    with pytest.raises(TypeError, match=r"answers.text\[1\] must be a list of texts, got str 'tides'"):
        join_texts({"answers.text": [["a"], "tides"]}, "answers.text")
    with pytest.raises(TypeError, match=r"x\[0\] must be a list of texts, got list \[1\]"):
        join_texts({"x": [[1]]}, "x")
    with pytest.raises(ValueError, match="column 'answers.text' is not in the batch, which has answers; flatten"):
        join_texts({"answers": []}, "answers.text")


def test_a_split_without_a_seed_is_another_one_each_time():
    from datasets import Dataset

    ds = Dataset.from_list(ROWS)
    seeded = [ds.train_test_split(test_size=0.2, seed=42)["test"]["q_id"][:] for _ in range(2)]
    free = [ds.train_test_split(test_size=0.2)["test"]["q_id"][:] for _ in range(2)]
    assert seeded[0] == seeded[1] and free[0] != free[1]
    with_5000 = Dataset.from_dict({"i": range(5000)}).train_test_split(test_size=0.2, seed=42)
    assert (len(with_5000["train"]), len(with_5000["test"])) == (4000, 1000)


# --- chunks: the rules that the sources differ in


def guide_groups(batch, size=128):
    """Cut as the two guides do: round down only if there is more than one chunk."""
    tokens = list(chain.from_iterable(batch["input_ids"]))
    total = len(tokens) // size * size if len(tokens) >= size else len(tokens)
    return {"input_ids": [tokens[i : i + size] for i in range(0, total, size)]}


def test_1001_rows_of_five_tokens_are_39_chunks_and_40_by_the_guides_rule():
    from datasets import Dataset
    from transformers import default_data_collator

    toy = Dataset.from_dict({"input_ids": [[7] * 5] * 1001})
    ours = toy.map(lambda batch: concat_chunks(batch, 128), batched=True)["input_ids"][:]
    theirs = toy.map(guide_groups, batched=True)["input_ids"][:]
    assert [len(c) for c in ours] == [128] * 39
    assert [len(c) for c in theirs] == [128] * 39 + [5]
    with pytest.raises(ValueError, match="length 128 at dim 1"):
        default_data_collator([{"input_ids": c} for c in theirs[-2:]])
    assert default_data_collator([{"input_ids": c} for c in ours])["input_ids"].shape == (39, 128)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 16), st.integers(1, 12))
def test_the_number_of_chunks_is_known_in_advance(lengths, size, batch_size):
    rows = [list(range(n)) for n in lengths]
    cut = [concat_chunks({"input_ids": rows[i : i + batch_size]}, size) for i in range(0, len(rows), batch_size)]
    assert sum(len(c["input_ids"]) for c in cut) == sum(sum(lengths[i : i + batch_size]) // size for i in range(0, len(lengths), batch_size))
    assert len(list(iter_chunks(({"input_ids": row} for row in rows), size))) == sum(lengths) // size


def test_without_rows_enough_there_is_no_chunk():
    assert concat_chunks({"input_ids": [[1, 2], [3]]}, 128) == {"input_ids": [], "labels": []}
    assert guide_groups({"input_ids": [[1, 2], [3]]}) == {"input_ids": [[1, 2, 3]]}


# --- who shifts, and what the collator does


def test_the_collator_neither_shifts_nor_pads_equal_chunks(tokenizer):
    from transformers import DataCollatorForLanguageModeling

    rows = [{"input_ids": [4, 5, 6, 7]}, {"input_ids": [8, 9, 10, 11]}]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)(rows)
    assert torch.equal(batch["labels"], batch["input_ids"]) and batch["input_ids"].tolist() == [r["input_ids"] for r in rows]


def test_padding_with_the_end_token_takes_ends_out_of_the_labels(tokenizer):
    from transformers import DataCollatorForLanguageModeling

    labels = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": [4, END, 5, 6]}])["labels"]
    assert labels.tolist() == [[4, -100, 5, 6]]
    tokenizer.pad_token = "[PAD]"
    labels = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": [4, END, 5, 6]}])["labels"]
    tokenizer.pad_token = "<end>"
    assert labels.tolist() == [[4, END, 5, 6]]


def test_the_model_compares_position_i_with_token_i_plus_1(model):
    batch = batch_of(3)
    with torch.no_grad():
        out = model(**batch)
    by_hand = cross_entropy(out.logits[:, :-1].reshape(-1, 60), batch["labels"][:, 1:].reshape(-1))
    assert torch.allclose(out.loss, by_hand, atol=1e-5)


# --- scores


def test_a_chunk_of_128_has_127_causal_targets(model):
    model.config.n_positions = 64
    rows = causal_rows(lambda **kw: type("Out", (), {"logits": torch.zeros(2, 128, 60)}), batch_of(2, 128))
    assert rows["targets"].tolist() == [127, 127]
    assert torch.allclose(rows["loss"], torch.tensor([127 * math.log(60)] * 2))


def test_row_sums_give_the_models_own_loss(model):
    batch = batch_of(5)
    with torch.no_grad():
        rows, loss = causal_rows(model, batch), model(**batch).loss
    assert abs(masked_scores(rows)["loss"] - loss.item()) < 1e-5
    assert masked_scores(rows)["perplexity"] == pytest.approx(math.exp(loss.item()), rel=1e-5)


def test_labels_of_minus_100_are_no_targets(model):
    batch = batch_of(2)
    batch["labels"][1, 10:] = -100
    with torch.no_grad():
        rows, whole = causal_rows(model, batch), causal_rows(model, batch_of(2))
    assert rows["targets"].tolist() == [39, 9]
    assert torch.allclose(rows["loss"][0], whole["loss"][0]) and rows["loss"][1] < whole["loss"][1]


def test_a_short_last_batch_weighs_what_it_holds(model):
    """Means of batch means go wrong; sums do not, however the rows are dealt out."""
    batch = batch_of(5)
    batch["labels"][4, 3:] = -100  # two targets
    parts = [{name: value[a:b] for name, value in batch.items()} for a, b in ((0, 4), (4, 5))]
    with torch.no_grad():
        whole = masked_scores(causal_rows(model, batch))["loss"]
        split = [causal_rows(model, part) for part in parts]
        means = [model(**part).loss.item() for part in parts]
    joined = masked_scores({name: torch.cat([rows[name] for rows in split]) for name in split[0]})["loss"]
    assert joined == pytest.approx(whole, rel=1e-6) and abs(sum(means) / 2 - whole) > 1e-3


def test_right_predictions_are_counted():
    ids = torch.tensor([[4, 5, 6]])
    logits = torch.nn.functional.one_hot(torch.tensor([[5, 9, 9]]), 60).float()
    rows = causal_rows(lambda **kw: type("Out", (), {"logits": logits}), {"input_ids": ids, "labels": ids})
    assert rows["correct"].tolist() == [1]


def test_a_batch_without_labels_is_refused(model):
    for batch in ({"input_ids": torch.ones(1, 4, dtype=int)}, {"labels": torch.ones(1, 1, dtype=int)}):
        with pytest.raises(ValueError, match="batch must have `labels` of 2 tokens or more"):
            causal_rows(model, batch)


# --- writing


def write(model, seed=0, **settings):
    """Return the ids that a model appends to a short prompt."""
    from transformers import set_seed

    set_seed(seed)
    prompt = {"input_ids": torch.tensor([[5, 9, 12]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    return model.generate(**prompt, max_new_tokens=12, pad_token_id=PAD, **settings)[0].tolist()


def test_drawing_from_one_token_is_greedy_search(model):
    assert write(model, do_sample=True, top_k=1) == write(model, do_sample=False)


def test_a_seed_repeats_a_random_text_and_the_prompt_stands_first(model):
    draw = dict(do_sample=True, top_k=50, top_p=0.95)
    first, again, other = write(model, 1, **draw), write(model, 1, **draw), write(model, 2, **draw)
    assert first == again != other and first[:3] == other[:3] == [5, 9, 12]


def test_without_the_mask_filler_is_read_as_text(model):
    alone, padded = torch.tensor([[5, 9]]), torch.tensor([[END, END, 5, 9]])
    mask = torch.tensor([[0, 0, 1, 1]])
    with torch.no_grad():
        right = model(input_ids=alone).logits[0, -1]
        masked = model(input_ids=padded, attention_mask=mask, position_ids=torch.tensor([[0, 0, 0, 1]])).logits[0, -1]
        bare = model(input_ids=padded).logits[0, -1]
    assert torch.allclose(right, masked, atol=1e-5) and (right - bare).abs().max() > 1e-2


# --- the masked half


def test_the_masked_guide_needs_no_new_pad_token():
    """BERT has no end token: the guide's line would leave it without a pad token. RoBERTa keeps one of its own."""
    from transformers import BertTokenizer

    words = BertTokenizer(vocab={w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sea"])})
    assert words.pad_token == "[PAD]" and words.eos_token is None


def test_masks_differ_between_passes_and_scored_positions_are_the_masked_ones(tokenizer):
    from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling

    from course_nlp.masking import freeze_masks, mask_stats, masked_rows

    rows = [{"input_ids": torch.randint(4, 12, (128,), generator=torch.Generator().manual_seed(i)).tolist()} for i in range(32)]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=0.15)
    torch.manual_seed(0)
    first, second = collator(rows), collator(rows)
    assert not torch.equal(first["labels"], second["labels"])
    assert 0.13 < mask_stats(first, tokenizer)["rate"] < 0.17
    frozen = freeze_masks(rows, collator, seed=1)
    assert frozen["labels"][:] == freeze_masks(rows, collator, seed=1)["labels"][:]
    torch.manual_seed(0)
    bert = BertForMaskedLM(BertConfig(vocab_size=12, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)).eval()
    with torch.no_grad():
        scored = masked_rows(bert, {name: first[name] for name in ("input_ids", "labels")})
        loss = bert(input_ids=first["input_ids"], labels=first["labels"]).loss.item()
    assert int(scored["targets"].sum()) == int((first["labels"] != -100).sum())
    assert masked_scores(scored)["loss"] == pytest.approx(loss, rel=1e-5)


def test_the_best_fillings_are_sorted_and_add_up_to_one_at_most(tokenizer):
    from transformers import BertConfig, BertForMaskedLM

    from course_nlp.masking import top_k_fill

    torch.manual_seed(0)
    bert = BertForMaskedLM(BertConfig(vocab_size=12, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)).eval()
    (found,) = top_k_fill(bert, tokenizer, f"a b {tokenizer.mask_token} d", 3)
    scores = [entry["score"] for entry in found]
    assert scores == sorted(scores, reverse=True) and sum(scores) <= 1 and found[0].keys() == {"score", "token", "token_str", "sequence"}


def test_trainer_must_be_told_the_loss_of_gpt2(model, tmp_path):
    """GPT-2's class name says nothing of its loss, so Trainer divides by 40 labels a row where 39 are targets."""
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments, default_data_collator

    batch = batch_of(4)
    rows = Dataset.from_dict({name: batch[name].tolist() for name in ("input_ids", "labels")})
    with torch.no_grad():
        right = model(**batch).loss.item()
    args = TrainingArguments(str(tmp_path), report_to="none", use_cpu=True, disable_tqdm=True)
    losses = {}
    for loss_type in (None, "ForCausalLM"):
        model.loss_type = loss_type
        losses[loss_type] = Trainer(model=model, args=args, eval_dataset=rows, data_collator=default_data_collator).evaluate()["eval_loss"]
    assert losses["ForCausalLM"] == pytest.approx(right, rel=1e-4)
    assert losses[None] == pytest.approx(right * 39 / 40, rel=1e-4)
