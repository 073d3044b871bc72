"""What lesson 07.07 finds on the Hub."""

from typing import Any

from full.shape_kinds import DISTILBERT_BASE, Checkpoint, Metric, Rows, wordpiece
from full.shapes_encoders import SHAPES as ENCODERS

from course_nlp.stand_ins import DATA, read_jsonl


def squad_features() -> Any:
    """Return the columns of SQuAD 1.1."""
    from datasets import Features, List, Value

    plain = dict.fromkeys(("id", "title", "context", "question"), Value("string"))
    return Features(plain | {"answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))}})


def squad_rows() -> dict[str, list[dict]]:
    """Return a few dozen of the course's own questions, long contexts among them."""
    rows = read_jsonl(DATA / "questions.jsonl")
    columns = ("id", "title", "context", "question", "answers")
    out = {}
    for split, count in (("train", 72), ("validation", 66)):
        chosen = [row for row in rows if row["split"] == split][:count]
        out[split] = [{name: row[name] for name in columns} for row in chosen]
    return out


SHAPES = [
    Checkpoint(
        "distilbert/distilbert-base-uncased-distilled-squad",
        DISTILBERT_BASE | {"architectures": ["DistilBertForQuestionAnswering"]},
        wordpiece(fast=True, model_max_length=512, do_lower_case=True),
    ),
    *(shape for shape in ENCODERS if shape.id == "google-bert/bert-base-uncased"),
    Rows("rajpurkar/squad", squad_features, squad_rows, config="plain_text", folder="plain_text"),
    Metric("evaluate-metric/squad"),
]
