"""What lessons 02.02 and 07.02 find on the Hub. What is not obvious about a repository is said beside it."""

from typing import Any

from full.shape_kinds import BERT_BASE, DISTILBERT_BASE, Checkpoint, Metric, Rows, labels, wordpiece

from course_nlp.stand_ins import CHUNK_TAGS, DATA, NER_TAGS, POS_TAGS, read_jsonl


def conll_features() -> Any:
    """Return the columns of CoNLL-2003."""
    from datasets import ClassLabel, Features, List, Value

    tags = {"pos_tags": POS_TAGS, "chunk_tags": CHUNK_TAGS, "ner_tags": NER_TAGS}
    columns = {name: List(ClassLabel(names=list(names))) for name, names in tags.items()}
    return Features({"id": Value("string"), "tokens": List(Value("string")), **columns})


def conll_rows() -> dict[str, list[dict]]:
    """Return a few dozen of the course's own sentences."""
    tags = {"pos_tags": POS_TAGS, "chunk_tags": CHUNK_TAGS, "ner_tags": NER_TAGS}
    written, out = read_jsonl(DATA / "ner.jsonl"), {}
    for split, count in (("train", 48), ("validation", 27), ("test", 25)):
        chosen = [row for row in written if row["split"] == split][:count]
        out[split] = [
            {"id": str(i), "tokens": row["tokens"]} | {c: [names.index(t) for t in row[c]] for c, names in tags.items()}
            for i, row in enumerate(chosen)
        ]
    return out



SHAPES = [
    Checkpoint(
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        DISTILBERT_BASE | {"architectures": ["DistilBertForSequenceClassification"], "finetuning_task": "sst-2"} | labels(["NEGATIVE", "POSITIVE"]),
        wordpiece(fast=False, model_max_length=512, do_lower_case=True),  # its repository has no tokenizer.json
    ),
    Checkpoint(
        "google-bert/bert-base-uncased",
        BERT_BASE | {"architectures": ["BertForMaskedLM"]},
        wordpiece(fast=True, model_max_length=512, do_lower_case=True),
        stored_as="BertForPreTraining",  # the file also holds the next-sentence head
        renamed={"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"},  # TensorFlow's names
        absent=("cls.predictions.decoder.bias",),
    ),
    Checkpoint(
        "dslim/bert-base-NER-uncased",
        BERT_BASE
        | {"architectures": ["BertForTokenClassification"], "_num_labels": 9, "output_past": True}
        | labels(["O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]),  # another order than the data's
        wordpiece(fast=False, do_lower_case=True, max_len=512),  # the old name of model_max_length
    ),
    Rows("lhoestq/conll2003", conll_features, conll_rows, config="lhoestq--conll2003", infos=True),
    Metric("evaluate-metric/seqeval"),
]
