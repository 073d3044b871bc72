"""Token classification: labels for tokens, tags for scores, entities for people; and the known errors of older material."""

import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.metrics import entity_spans, ner_scores
from course_nlp.token_classification import (
    align_labels,
    bio_inside_map,
    decode_tags,
    group_entities,
    label_maps,
    show_tags,
    token_entities,
    word_level,
)

NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
INSIDE = bio_inside_map(NAMES)
WORDS = "EU rejects German call to boycott British lamb .".split()  # row 0 of CoNLL-2003, and its labels
LABELS = [3, 0, 7, 0, 0, 0, 7, 0, 0]
WORD_IDS = [None, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, None]
TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] eu rejects german call to boycott british la ##mb . peter blackburn ##o ai a ##a b ##b".split()

SENTENCES = [  # eight to learn by heart: touching names, one word and several, none at all
    ("eu rejects german call .", "B-ORG O B-MISC O O"),
    ("peter blackburn rejects lamb .", "B-PER I-PER O O O"),
    ("aio call to boycott british lamb .", "B-PER O O O B-MISC O O"),
    ("eu peter call .", "B-ORG B-PER O O"),
    ("peter aio to blackburn .", "B-PER B-PER O B-LOC O"),
    ("call to a b .", "O O B-LOC I-LOC O"),
    ("rejects call .", "O O O"),
    ("to aaa bb peter", "O B-ORG I-ORG B-PER"),
]


@pytest.fixture(scope="module")
def tokenizer():
    """Return a BERT tokenizer with two dozen tokens; `lamb` is cut into la ##mb, `aio` into ai ##o."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={token: i for i, token in enumerate(TOKENS)}, model_max_length=64)


def tiny_model(names=NAMES, **changes):
    """Return a BERT with two layers of 32, the same each time."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    id2label, label2id = label_maps(names)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(vocab_size=len(TOKENS), id2label=id2label, label2id=label2id, **sizes | dropout | changes)
    return BertForTokenClassification(config)


def make_features(tokenizer, rows=SENTENCES):
    """Return a feature for each (words, tags) row."""
    features = []
    for text, tags in rows:
        encoding = tokenizer(text.split(), is_split_into_words=True)
        labels = align_labels([NAMES.index(t) for t in tags.split()], encoding.word_ids(), begin_to_inside=INSIDE)
        features.append({"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"], "labels": labels})
    return features


# --- labels for tokens ---------------------------------------------------------------------------------------------


def test_the_two_aligned_lists(tokenizer):
    encoding = tokenizer(WORDS, is_split_into_words=True)
    assert encoding.word_ids() == WORD_IDS
    assert align_labels(LABELS, WORD_IDS, begin_to_inside=INSIDE) == [-100, 3, 0, 7, 0, 0, 0, 7, 0, 0, 0, -100]
    first = align_labels(LABELS, WORD_IDS, begin_to_inside=INSIDE, only_first=True)
    assert first == [-100, 3, 0, 7, 0, 0, 0, 7, 0, -100, 0, -100]


def test_without_a_map_every_token_copies_its_word():
    assert align_labels([1, 0], [None, 0, 0, 1, None]) == [-100, 1, 1, 0, -100]
    assert align_labels([1, 0], [None, 0, 0, 1, None], begin_to_inside=INSIDE) == [-100, 1, 2, 0, -100]


words_and_tags = st.lists(
    st.tuples(st.one_of(st.sampled_from(["eu", "lamb", "aio", "aaa", "\u200b", " ", "", "\ufe0f"]), st.text(max_size=6)), st.sampled_from(NAMES)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(words_and_tags, st.permutations(NAMES), st.booleans(), st.integers(3, 20))
def test_any_sentence_any_label_order(tokenizer, row, names, only_first, max_length):
    words, tags = [w for w, _ in row], [t for _, t in row]
    encoding = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length)
    ids = encoding.word_ids()
    aligned = align_labels([names.index(t) for t in tags], ids, begin_to_inside=bio_inside_map(names), only_first=only_first)
    assert len(aligned) == len(encoding["input_ids"])
    kept = [(word, names[label]) for word, label in zip(ids, aligned, strict=True) if label != -100]
    assert [word for word, _ in kept] == [w for i, w in enumerate(ids) if w is not None and not (only_first and w in ids[:i])]
    for position, (word, tag) in enumerate(kept):
        assert tag.partition("-")[2] == tags[word].partition("-")[2]  # never another type
        if position and kept[position - 1][0] == word:
            assert not tag.startswith("B-")  # a word that goes on begins nothing
    if len({w for w in ids if w is not None}) == len(words):  # no word lost: the same entities
        assert [k for k, _, _ in entity_spans([t for _, t in kept])] == [k for k, _, _ in entity_spans(tags)]


@pytest.mark.known_error("c05")
def test_slip_c05_odd_and_even_ids_hold_for_one_order_only():
    """SLIP c05: `label + 1 if label % 2 == 1` turns people into places when the labels come in another order."""

    def odd_even(label):
        return label + 1 if label % 2 == 1 else label

    assert all(odd_even(b) == i for b, i in INSIDE.items())
    other = sorted(NAMES)
    labels = [other.index("B-PER"), other.index("B-LOC")]
    wrong = [other[odd_even(label)] for label in labels]
    assert wrong == ["I-LOC", "B-LOC"]
    right = align_labels(labels, [0, 0, 1, 1], begin_to_inside=bio_inside_map(other))
    assert [other[i] for i in right] == ["B-PER", "I-PER", "B-LOC", "I-LOC"]
    pos = ["NN", "NNP", "VB"]  # ids without B and I: nothing may change, and the odd id does
    assert bio_inside_map(pos) == {} and align_labels([1], [0, 0], begin_to_inside={}) == [1, 1]
    assert odd_even(1) == 2


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], sorted(NAMES), NAMES[1:] + ["O"]])
def test_the_map_follows_names_in_any_order(names):
    assert {names[b]: names[i] for b, i in bio_inside_map(names).items()} == {f"B-{k}": f"I-{k}" for k in ("PER", "ORG", "LOC", "MISC")}


def test_a_word_without_a_token_hands_its_beginning_on(tokenizer):
    words = ["EU", "\u200b", " ", "lamb"]
    ids = tokenizer(words, is_split_into_words=True).word_ids()
    assert ids == [None, 0, 3, 3, None]
    b, i = NAMES.index("B-PER"), NAMES.index("I-PER")
    assert align_labels([b, b, i, i], ids, begin_to_inside=INSIDE) == [-100, b, b, i, -100]  # two people, as the words say
    assert align_labels([b, i, i, i], ids, begin_to_inside=INSIDE) == [-100, b, i, i, -100]  # one
    assert align_labels([0, 3, i, i], ids, begin_to_inside=INSIDE) == [-100, 0, i, i, -100]  # the lost B- was another type
    assert align_labels([b, i], [None, 1, None], begin_to_inside=INSIDE) == [-100, b, -100]


def test_runs_of_none_and_truncated_words():
    assert align_labels([3, 4], [None, None, 0, None, 1, None, None], begin_to_inside=INSIDE) == [-100, -100, 3, -100, 4, -100, -100]
    assert align_labels(LABELS, WORD_IDS[:4] + [None], begin_to_inside=INSIDE) == [-100, 3, 0, 7, -100]
    assert align_labels([], [None, None]) == [-100, -100]


def test_the_collator_pads_labels_with_minus_100(tokenizer):
    from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding

    rows = make_features(tokenizer, [(" ".join(WORDS), " ".join(NAMES[i] for i in LABELS)), ("Peter Blackburn", "B-PER I-PER")])
    labels = DataCollatorForTokenClassification(tokenizer)(rows)["labels"]
    assert labels.shape == (2, 12)
    assert labels[1].tolist() == [-100, 1, 2, -100] + [-100] * 8
    with pytest.raises(ValueError, match="labels"):
        DataCollatorWithPadding(tokenizer)(rows)


# --- tags for scores -----------------------------------------------------------------------------------------------

THREE = ["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]
TWO = ["B-ORG", "O", "O", "O", "O", "O", "B-MISC", "O", "O"]


def test_the_figures_of_the_demonstration():
    scores = ner_scores(true=[THREE], pred=[TWO])
    assert {k: round(v, 2) for k, v in scores["MISC"].items()} == {"precision": 1.0, "recall": 0.5, "f1": 0.67, "number": 2}
    assert scores["ORG"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 1}
    overall = [round(scores[f"overall_{name}"], 2) for name in ("precision", "recall", "f1", "accuracy")]
    assert overall == [1.0, 0.67, 0.8, 0.89]


@pytest.mark.known_error("c06")
def test_slip_c06_swapped_arguments_swap_precision_and_recall():
    """SLIP c06: a helper that returns (labels, predictions) to a caller who expects the reverse goes unnoticed in F1."""
    right, swapped = ner_scores(true=[THREE], pred=[TWO]), ner_scores(true=[TWO], pred=[THREE])
    assert (right["overall_precision"], round(right["overall_recall"], 3)) == (1.0, 0.667)
    assert (round(swapped["overall_precision"], 3), swapped["overall_recall"]) == (0.667, 1.0)
    assert right["overall_f1"] == swapped["overall_f1"] and right["overall_accuracy"] == swapped["overall_accuracy"]
    preds, labels = [[0, 3, 0, 0]], [[-100, 3, 7, -100]]
    with pytest.raises(TypeError):
        decode_tags(preds, labels, NAMES)  # keywords only: there is no order to get wrong
    tags = decode_tags(labels=labels, preds=preds, names=NAMES)
    assert tags.pred == tags[0] == [["B-ORG", "O"]] and tags.true == tags[1] == [["B-ORG", "B-MISC"]]
    with pytest.raises(ValueError, match="swapped"):
        decode_tags(preds=labels, labels=preds, names=NAMES)


@pytest.mark.known_error("c04")
def test_slip_c04_a_split_scored_as_one_sequence_joins_names_across_sentences():
    """SLIP c04: in one long list an I- at the start of a sentence continues the name that ended the one before."""
    true, pred = [["O", "B-PER"], ["B-PER", "O"]], [["O", "B-PER"], ["I-PER", "O"]]
    assert ner_scores(true, pred)["overall_f1"] == 1.0
    assert ner_scores([sum(true, [])], [sum(pred, [])])["overall_f1"] == 0.0


def test_decode_takes_lists_arrays_and_tensors():
    import numpy as np
    import torch

    preds, labels = [[0, 1, 2], [5, 0, 0]], [[-100, 1, 2], [5, 6, -100]]
    expected = ([["B-PER", "I-PER"], ["B-LOC", "O"]], [["B-PER", "I-PER"], ["B-LOC", "I-LOC"]])
    for kind in (list, np.array, torch.tensor):
        assert decode_tags(preds=kind(preds), labels=kind(labels), names=NAMES) == expected
    padded = decode_tags(preds=[[1, -100]], labels=[[1, -100]], names=NAMES)  # as pad_across_processes leaves them
    assert padded == ([["B-PER"]], [["B-PER"]])


def test_words_cut_by_truncation_count_as_outside(tokenizer):
    encoding = tokenizer(WORDS, is_split_into_words=True, truncation=True, max_length=5)
    aligned = align_labels(LABELS, encoding.word_ids(), begin_to_inside=INSIDE)
    seen = decode_tags(preds=[aligned], labels=[aligned], names=NAMES)
    assert ner_scores(seen.true, seen.pred)["overall_recall"] == 1.0  # a perfect model, and one name nobody asked for
    words = word_level([NAMES[i] if i != -100 else "O" for i in aligned], encoding.word_ids(), len(WORDS))
    assert words == ["B-ORG", "O", "B-MISC"] + ["O"] * 6
    assert ner_scores([[NAMES[i] for i in LABELS]], [words])["overall_recall"] == pytest.approx(2 / 3)
    assert word_level([9, 3, 3, 9, 9], [None, 1, 1, None], 3, outside=0) == [0, 3, 0]  # preds may be padded further
    assert word_level([], [], 2) == ["O", "O"]


def test_label_maps_have_whole_numbers_where_strings_would_stay_strings():
    from transformers import BertConfig

    id2label, label2id = label_maps(NAMES)
    assert id2label[3] == "B-ORG" and label2id["B-ORG"] == 3
    config = BertConfig(id2label={str(i): n for i, n in id2label.items()}, label2id={n: str(i) for i, n in id2label.items()})
    assert config.id2label == id2label and config.label2id["B-ORG"] == "3"  # only one of the two is repaired


def test_show_tags_counts_columns_not_characters():
    assert show_tags(["in", "Paris"], ["O", "B-LOC"]) == "in Paris\nO  B-LOC"
    assert show_tags(["北京", "的"], ["B-LOC", "O"], [1, 2]) == "北京  的\nB-LOC O\n1     2"
    assert show_tags(["e\u0301te", "a"], ["O", "O"]) == "e\u0301te a\nO   O"
    assert show_tags(["aaa", "bb", "c"], ["O", "O", "O"], width=6) == "aaa bb\nO   O\n\nc\nO"
    assert show_tags([], []) == ""


# --- entities for people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_entities_equal_the_pipeline(tokenizer, seed):
    import torch
    from transformers import TokenClassificationPipeline

    model = tiny_model(initializer_range=0.8).eval()
    torch.manual_seed(seed)
    torch.nn.init.normal_(model.classifier.weight)
    ner = TokenClassificationPipeline(model=model, tokenizer=tokenizer)
    text = ["EU rejects lamb", "aio lamb lamb. Peter Blackburn", "a b aaa, bbb", "call", "", "unknown words lamb", "lamb " * 9, "EU"][seed]
    encoding = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        mine = token_entities(model(**encoding).logits[0], encoding, model.config.id2label)
    theirs = ner(text) if text else []
    assert [(e["entity"], e["index"], e["start"], e["end"]) for e in mine] == [(e["entity"], e["index"], e["start"], e["end"]) for e in theirs]
    grouped, simple = group_entities(mine, text), ner(text, aggregation_strategy="simple") if text else []
    assert [(g["entity_group"], g["start"], g["end"]) for g in grouped] == [(g["entity_group"], g["start"], g["end"]) for g in simple]
    assert [g["score"] for g in grouped] == pytest.approx([float(g["score"]) for g in simple], abs=1e-6)
    assert all(g["word"] == text[g["start"] : g["end"]] for g in grouped)
    again = group_entities(theirs, text)  # the pipeline's own tokens, grouped by ours
    assert [(g["entity_group"], g["start"], g["end"]) for g in again] == [(g["entity_group"], g["start"], g["end"]) for g in simple]


def entity(label, index, start, end, score=0.5):
    return {"entity": label, "index": index, "start": start, "end": end, "score": score, "word": "x"}


@pytest.mark.known_error("b07")
def test_grouping_rules():
    def kinds(*labels, gap=0):
        tokens = [entity(label, i + 1 + gap * (i > 0), 2 * i, 2 * i + 1) for i, label in enumerate(labels)]
        return [(g["entity_group"], g["start"], g["end"]) for g in group_entities(tokens, "a b c d e")]

    assert kinds("B-PER", "I-PER", "B-PER") == [("PER", 0, 3), ("PER", 4, 5)]  # a B- begins a new one
    assert kinds("I-PER", "I-ORG") == [("PER", 0, 1), ("ORG", 2, 3)]  # touching, of two types
    assert kinds("I-PER", "I-PER") == [("PER", 0, 3)]
    assert kinds("I-PER", "I-PER", gap=1) == [("PER", 0, 1), ("PER", 2, 3)]  # an O between them
    assert kinds("NN", "NN", "VB") == [("NN", 0, 3), ("VB", 4, 5)]  # labels without a scheme
    assert kinds() == []
    pair = [entity("B-PER", 1, 0, 2, 0.5), entity("I-PER", 2, 3, 5, 1.0)]
    assert group_entities(pair, "ab cd!") == [{"entity_group": "PER", "score": 0.75, "word": "ab cd", "start": 0, "end": 5}]


# --- training, scoring, several processes --------------------------------------------------------------------------


def test_a_tiny_model_learns_eight_sentences_by_heart(tokenizer):
    import torch
    from transformers import DataCollatorForTokenClassification

    batch = DataCollatorForTokenClassification(tokenizer)(make_features(tokenizer))
    model = tiny_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def f1():
        with torch.no_grad():
            preds = model.eval()(**batch).logits.argmax(-1)
        tags = decode_tags(preds=preds, labels=batch["labels"], names=NAMES)
        return ner_scores(tags.true, tags.pred)["overall_f1"]

    assert f1() < 0.5
    for _ in range(60):
        model.train()(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert f1() == 1.0


def test_trainer_and_loop_have_the_same_first_loss(tokenizer, tmp_path):
    from accelerate import Accelerator
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

    data, collator = Dataset.from_list(make_features(tokenizer)), DataCollatorForTokenClassification(tokenizer)
    args = TrainingArguments(
        str(tmp_path), max_steps=1, logging_steps=1, per_device_train_batch_size=4, train_sampling_strategy="sequential",
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(model=tiny_model(), args=args, train_dataset=data, data_collator=collator)
    trainer.train()
    model, loader = Accelerator(cpu=True).prepare(tiny_model(), DataLoader(data, collate_fn=collator, batch_size=4))
    by_loop = model.train()(**next(iter(loader))).loss.item()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(by_loop, abs=1e-5)


@pytest.mark.known_error("c02")
def test_slip_c02_gather_counts_rows_twice_and_two_ranks_give_the_score_of_one(tokenizer):
    """SLIP c02: the sampler repeats rows to even out the last batch; without a cut they are scored twice."""
    import torch
    from accelerate.data_loader import BatchSamplerShard
    from torch.nn.functional import pad
    from torch.utils.data import BatchSampler, SequentialSampler
    from transformers import DataCollatorForTokenClassification

    features = make_features(tokenizer)[:7]
    collator, model = DataCollatorForTokenClassification(tokenizer), tiny_model(initializer_range=0.5).eval()

    def predict(rows):
        batch = collator([features[i] for i in rows])
        with torch.no_grad():
            return model(**batch).logits.argmax(-1), batch["labels"]

    def score(preds, labels):
        tags = decode_tags(preds=preds, labels=labels, names=NAMES)
        return ner_scores(tags.true, tags.pred)

    sampler = BatchSampler(SequentialSampler(range(7)), batch_size=2, drop_last=False)
    ranks = [list(BatchSamplerShard(sampler, num_processes=2, process_index=rank)) for rank in range(2)]
    parts = [predict(rows) for step in zip(*ranks, strict=True) for rows in step]
    assert len({labels.shape[1] for _, labels in parts}) > 1
    with pytest.raises(RuntimeError):
        torch.cat([labels for _, labels in parts])
    width = max(labels.shape[1] for _, labels in parts)
    preds, labels = (torch.cat([pad(t, (0, width - t.shape[1]), value=-100) for t in side]) for side in zip(*parts, strict=True))
    assert len(preds) == 8  # seven rows, one of them twice
    single = score(*predict(range(7)))
    assert score(preds[:7], labels[:7]) == single
    assert score(preds, labels) != single


TWO_PROCESSES = """
    import sys, torch
    from accelerate import Accelerator, debug_launcher
    from torch.utils.data import DataLoader

    def run():
        accelerator = Accelerator(cpu=True)
        rows = torch.arange(13)
        loader = accelerator.prepare(DataLoader(rows, batch_size=4))
        repeated, kept = [], []
        for batch in loader:
            wide = batch[:, None].repeat(1, 2 + accelerator.process_index)  # another width on each process
            wide = accelerator.pad_across_processes(wide, dim=1, pad_index=-100)
            repeated += accelerator.gather(wide)[:, 0].tolist()
            kept += accelerator.gather_for_metrics(wide).tolist()
        assert len(repeated) == 16 and len(kept) == 13, (len(repeated), len(kept))
        assert [row[0] for row in kept] == list(range(13)), kept
        assert {len(row) for row in kept} == {3} and kept[0][2] == -100 and kept[4][2] == 4, kept
        if accelerator.is_main_process:
            print("two processes:", accelerator.num_processes)

    debug_launcher(run, num_processes=2)
"""


@pytest.mark.known_error("c02")
def test_slip_c02_on_two_real_processes():
    """SLIP c02: `gather` returns 16 of 13 rows, `gather_for_metrics` 13, padded to one width."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(TWO_PROCESSES)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "two processes: 2" in done.stdout


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bio_inside_map("B-PER"), TypeError, "names must be a list"),
        (lambda: bio_inside_map({0: "O"}), TypeError, "names must be a list"),
        (lambda: bio_inside_map([]), ValueError, "names is empty"),
        (lambda: bio_inside_map(["O", 1]), TypeError, r"names\[1\]"),
        (lambda: bio_inside_map(["O", "B-PER", "I-PER", "O"]), ValueError, r"names\[3\] = 'O' was there before"),
        (lambda: bio_inside_map(["O", "B-PER"]), ValueError, "'B-PER' but not 'I-PER'"),
        (lambda: bio_inside_map(["O", "I-PER"]), ValueError, "'I-PER' but not 'B-PER'"),
        (lambda: bio_inside_map(["O", "B-PER", "I-PER", "S-PER"]), ValueError, "not BIO"),
        (lambda: label_maps("O"), TypeError, "names must be a list"),
        (lambda: label_maps(["O", "O"]), ValueError, "was there before"),
        (lambda: align_labels(["B-PER"], [0]), TypeError, "labels must hold label ids.*'B-PER'.*label2id"),
        (lambda: align_labels("B-PER", [0]), TypeError, "labels must be a list"),
        (lambda: align_labels([0.0], [0]), TypeError, "labels must hold label ids"),
        (lambda: align_labels([0], [None, 0, 1]), ValueError, r"word_ids\[2\] = 1 does not fit.*labels has 1"),
        (lambda: align_labels([0, 0], [1, 0]), ValueError, r"word_ids\[1\] = 0 does not fit"),
        (lambda: align_labels([0, 0], [-1]), ValueError, r"word_ids\[0\] = -1 does not fit"),
        (lambda: decode_tags(preds=[[0]], labels=[[0], [0]], names=NAMES), ValueError, "preds must hold as many sentences"),
        (lambda: decode_tags(preds=[[0]], labels=[[0, 0]], names=NAMES), ValueError, r"preds\[0\] must be as long as labels\[0\]"),
        (lambda: decode_tags(preds=[[9]], labels=[[0]], names=NAMES), ValueError, "row 0 holds the id 9"),
        (lambda: decode_tags(preds=[[[0.1, 0.9]]], labels=[[0]], names=NAMES), ValueError, "argmax"),
        (lambda: decode_tags(preds=[["O"]], labels=[[0]], names=NAMES), TypeError, r"preds\[0\] must hold label ids"),
        (lambda: decode_tags(preds=[[0]], labels=[[0]], names="O"), TypeError, "names must be a list"),
        (lambda: word_level(["O"], [None, 0], 1), ValueError, "preds must cover all 2 positions"),
        (lambda: word_level(["O", "O"], [None, 3], 2), ValueError, r"word_ids\[1\] = 3, but n_words is 2"),
        (lambda: word_level([0], [0], 1), TypeError, "outside is 'O'; pass names, or the id"),
        (lambda: word_level(["O"], [0], 1, outside=0), TypeError, "outside is 0; pass names"),
        (lambda: show_tags(["a", "b"], ["O"]), ValueError, r"tags\[0\] must have one entry for each of the 2 words"),
        (lambda: token_entities([[0.0]], {"input_ids": [1]}, {0: "O"}), TypeError, "encoding must come from a fast tokenizer"),
        (lambda: group_entities([entity("B-PER", 1, 0, 9)], "short"), ValueError, "text has 5 characters"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_scores_are_not_ids():
    import numpy as np

    with pytest.raises(ValueError, match=r"preds\[0\] holds scores.*argmax"):
        decode_tags(preds=np.zeros((1, 2, 9)), labels=[[0, 0]], names=NAMES)


def test_token_entities_wants_one_text_and_its_logits(tokenizer):
    with pytest.raises(ValueError, match="encoding holds 2 texts"):
        token_entities([[0.0]], tokenizer(["EU", "lamb"]), dict(enumerate(NAMES)))
    with pytest.raises(ValueError, match=r"logits must have the shape \(3, 9\)"):
        token_entities([[0.0] * 9], tokenizer("EU"), dict(enumerate(NAMES)))


def test_importing_the_module_imports_nothing_heavy():
    code = "import sys, course_nlp.token_classification as t; assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
