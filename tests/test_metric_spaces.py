"""The metric scripts of the local Hub's Spaces, loaded by `evaluate` and compared with the libraries under them.

Importing evaluate, torch and transformers takes seconds and fixes their cache folders for good. So one child process
does it for the whole module, with a cache of its own and no way to the network; the tests send it work.
"""

import ast
import math
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

SPACES = Path(__file__).parents[1] / "course_nlp" / "data" / "spaces" / "evaluate-metric"
NAMES = ("accuracy", "f1", "glue", "perplexity", "rouge", "sacrebleu", "seqeval", "squad")

# --- what runs in the child process -----------------------------------------------------------------------------------


def no_network(*args: object) -> None:
    raise OSError(f"a metric script reached for the network: {args[1:]}")


def isolate(cache: Path) -> None:
    """Prepare the child process: own cache, offline, one thread."""
    os.environ |= {
        "HF_HOME": str(cache),
        "HF_HUB_OFFLINE": "1",
        "HF_EVALUATE_OFFLINE": "1",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # the discard port: nobody answers
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name in NAMES:  # as build_space puts them on the local Hub: without the .txt that hides them from packaging
        (cache / name).mkdir()
        shutil.copy(SPACES / name / f"{name}.py.txt", cache / name / f"{name}.py")
    os.chdir(cache)
    socket.socket.connect = no_network


def load(name: str, config: str | None = None, **options: Any) -> Any:
    import evaluate

    return evaluate.load(f"./{name}", config, **options)


def compute(name: str, config: str | None = None, *, how: str = "compute", seed: int = 0, **arguments: Any) -> dict:
    """Load a metric from its folder and score, with everything at once, row by row, or in batches of two."""
    # evaluate waits a second for the lock that an instance left behind when it failed: a name of its own for each
    metric = load(name, config, seed=seed, experiment_id=uuid4().hex)
    inputs = {key: arguments.pop(key) for key in ("predictions", "references") if key in arguments}
    if how == "compute":
        return metric.compute(**inputs, **arguments)
    rows = range(len(inputs["predictions"]))
    if how == "add":
        for i in rows:
            metric.add(**{key.removesuffix("s"): values[i] for key, values in inputs.items()})
    else:
        for i in rows[::2]:
            metric.add_batch(**{key: values[i : i + 2] for key, values in inputs.items()})
    return metric.compute(**arguments)


def call(path: str, *args: Any, **arguments: Any) -> Any:
    """Call a function of a library, named as in "sklearn.metrics.f1_score"."""
    module, _, function = path.rpartition(".")
    return getattr(import_module(module), function)(*args, **arguments)


def as_tensors(name: str, kind: str, **arguments: Any) -> dict:
    """Score with the inputs turned into NumPy arrays, torch tensors, or a column of a data set."""
    import datasets
    import numpy as np
    import torch

    column = lambda values: datasets.Dataset.from_dict({"x": values})["x"]  # noqa: E731
    make = {"numpy": np.array, "torch": torch.tensor, "column": column}[kind]
    return compute(name, **{key: make(values) for key, values in arguments.items()})


def seqeval_report(true: list, pred: list, scheme: str | None = None, **options: Any) -> dict:
    import seqeval.scheme
    from seqeval.metrics import classification_report

    kind = scheme and getattr(seqeval.scheme, scheme)
    report = classification_report(true, pred, output_dict=True, scheme=kind, **options)
    return {name: {key: value.item() for key, value in row.items()} for name, row in report.items()}


def bleu_of_library(predictions: list[str], references: list[list[str]], **options: Any) -> dict:
    from sacrebleu.metrics import BLEU

    bleu = BLEU(**options).corpus_score(predictions, list(map(list, zip(*references, strict=True))))
    return {key: getattr(bleu, key) for key in ("score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len")}


def rouge_of_library(prediction: str, reference: str, kinds: list[str], characters: bool, stemmer: bool) -> list[float]:
    from rouge_score.rouge_scorer import RougeScorer

    class Characters:
        def tokenize(self, text: str) -> list[str]:
            return list(text)

    scorer = RougeScorer(kinds, use_stemmer=stemmer, tokenizer=Characters() if characters else None)
    return [scorer.score(reference, prediction)[kind].fmeasure for kind in kinds]


def doctest_usage(name: str) -> tuple[int, int]:
    """Run the example in a metric's usage text; return how many lines failed and how many were tried."""
    import doctest
    from types import SimpleNamespace

    usage = load(name, "mrpc" if name == "glue" else None).inputs_description
    test = doctest.DocTestParser().get_doctest(usage, {"evaluate": SimpleNamespace(load=load)}, name, None, 0)
    return tuple(doctest.DocTestRunner().run(test))


def run_card(name: str) -> None:
    """Run the Python block of a metric's card, with `evaluate.load` taking metrics from their folders."""
    import evaluate

    block = (SPACES / name / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    original = evaluate.load
    evaluate.load = lambda metric, config=None, **options: original(f"./{metric}", config, **options)
    try:
        exec(compile(block, f"{name}/README.md", "exec"), {})  # noqa: S102
    finally:
        evaluate.load = original


def make_gpt2(folder: Path, *, uniform: bool = False, start_token: bool = True) -> str:
    """Save a GPT-2 of 12 words and 16 positions with random weights; `uniform`: it finds all words equally likely."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["<s>", "<unk>", *"the a cat dog sat ran on mat road .".split()]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"unk_token": "<unk>"} | ({"bos_token": "<s>"} if start_token else {})
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(words), n_positions=16, n_embd=8, n_layer=2, n_head=2, initializer_range=0.8)
    model = GPT2LMHeadModel(config)
    if uniform:
        torch.nn.init.zeros_(model.lm_head.weight)
    model.save_pretrained(folder)
    return str(folder)


def perplexity_by_hand(folder: str, ids: list[int]) -> float:
    """Return exp of the mean surprise of `ids[1:]`, one token at a time, each from its own prefix alone."""
    import torch
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    surprises = []
    for i in range(1, len(ids)):
        with torch.no_grad():
            logits = model(torch.tensor([ids[:i]])).logits[0, -1].double().tolist()
        surprises.append(math.log(sum(math.exp(x) for x in logits)) - logits[ids[i]])
    return math.exp(sum(surprises) / len(surprises))


# --- fixtures ---------------------------------------------------------------------------------------------------------

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a function that calls another one in the child process and returns, or raises, what it did."""
    cache = tmp_path_factory.mktemp("hf_home")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=isolate, initargs=(cache,)) as pool:
        yield lambda function, *args, **arguments: pool.submit(function, *args, **arguments).result(timeout=120)


@pytest.fixture(scope="module")
def score(child: Run) -> Run:
    return partial(child, compute)


@pytest.fixture(scope="module")
def library(child: Run) -> Run:
    return partial(child, call)


@pytest.fixture(scope="module")
def gpt2(child: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return child(make_gpt2, tmp_path_factory.mktemp("gpt2"))


PREDICTED, TRUE = [0, 2, 1, 1, 2, 0, 1], [0, 1, 1, 2, 2, 0, 0]
PREDICTED_2, TRUE_2 = [0, 1, 1, 1, 0, 0, 1], [0, 1, 0, 1, 1, 0, 1]
ROWS, TRUE_ROWS = [[0, 1, 1], [1, 1, 0], [0, 0, 1]], [[0, 1, 1], [0, 1, 0], [1, 0, 1]]
TAGGED = [["B-ORG", "O", "O", "B-PER", "I-PER"], ["I-LOC", "O", "B-LOC"], ["O", "B-MISC"]]
TRUE_TAGGED = [["B-ORG", "O", "B-MISC", "B-PER", "I-PER"], ["B-LOC", "O", "O"], ["O", "B-PER"]]
TRANSLATED = ["the file could Not open", "Save all changes?"]  # no four words in a row match: smoothing shows
TRANSLATIONS = [["The file could not be opened.", "Could not open the file."], ["Save changes before closing?", "Save all?"]]
SUMMARIES = ["a small dog was running home", "prices rose again in May", "rain"]
TRUE_SUMMARIES = ["the small dog ran home", "in May prices rose again", "rain and wind"]
ANSWERS = [{"id": "b", "prediction_text": "in 1851, London"}, {"id": "a", "prediction_text": "The  great exhibition!"}]
TRUE_ANSWERS = [
    {"id": "a", "answers": {"text": ["Great Exhibition", "exhibition"], "answer_start": [4, 10]}},
    {"id": "b", "answers": {"text": ["London"], "answer_start": [30]}},
]
ROUGES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]

# --- all scripts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_script_stands_alone_and_evaluate_can_read_its_imports(name):
    imported = []
    for node in ast.walk(ast.parse((SPACES / name / f"{name}.py.txt").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert len(node.names) == 1, "evaluate takes `import a, b` for a package called 'a,'"
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert node.col_offset == 0, "evaluate looks for missing packages among the imports at the margin only"
            imported.append(node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
    assert {"datasets", "evaluate"} <= set(imported)
    assert not [module for module in imported if module.startswith("course_nlp")]


@pytest.mark.parametrize("name", NAMES)
def test_card_says_what_the_script_is(name):
    _, front, text = (SPACES / name / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["title"] and card["sdk"] == "static" and card["license"] == "apache-2.0"
    assert {"evaluate", "metric"} <= set(card["tags"])
    assert len(card["short_description"]) <= 60, "the Hub cuts longer ones"
    assert "not the original" in text and "Source:" in text


def test_every_space_folder_is_tested():
    assert sorted(path.parent.name for path in SPACES.glob("*/README.md")) == sorted(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "perplexity"])  # its example wants GPT-2 itself
def test_examples_in_usage_and_card_hold(child, name):
    failed, tried = child(doctest_usage, name)
    assert tried >= 1 and failed == 0
    child(run_card, name)


ONCE = {
    "accuracy": {"predictions": PREDICTED, "references": TRUE},
    "f1": {"predictions": PREDICTED, "references": TRUE, "average": "macro"},
    "glue": {"config": "mrpc", "predictions": PREDICTED_2, "references": TRUE_2},
    "seqeval": {"predictions": TAGGED, "references": TRUE_TAGGED},
    "sacrebleu": {"predictions": TRANSLATED, "references": TRANSLATIONS},
    "rouge": {"predictions": SUMMARIES, "references": TRUE_SUMMARIES},
    "squad": {"predictions": ANSWERS, "references": TRUE_ANSWERS},
}


@pytest.mark.parametrize("name", ONCE)
def test_rows_and_batches_score_as_all_at_once(score, name):
    expected = score(name, **ONCE[name])
    assert score(name, how="add", **ONCE[name]) == expected
    assert score(name, how="add_batch", **ONCE[name]) == expected


def leaves(value: Any) -> list:
    """Return the numbers in nested dicts and lists."""
    if isinstance(value, dict | list):
        return [leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in leaves(inner)]
    return [value]


@pytest.mark.parametrize("name", ONCE)
def test_numbers_are_plain_python(score, name):
    assert {type(leaf) for leaf in leaves(score(name, **ONCE[name]))} <= {int, float}


@pytest.mark.parametrize("kind", ["numpy", "torch", "column"])
def test_arrays_tensors_and_columns_score_as_lists(child, score, kind):
    arguments = {"predictions": PREDICTED, "references": TRUE}
    assert child(as_tensors, "accuracy", kind, **arguments) == score("accuracy", **arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("accuracy", {"predictions": [1, 0], "references": [1]}),
        ("f1", {"predictions": [1], "references": [1, 0]}),
        ("seqeval", {"predictions": TAGGED, "references": TRUE_TAGGED[:2]}),
        ("squad", {"predictions": ANSWERS, "references": TRUE_ANSWERS[:1]}),
        ("rouge", {"predictions": ["a"], "references": ["a", "b"]}),
        ("sacrebleu", {"predictions": ["a", "b"], "references": ["a"]}),
    ],
)
def test_unequal_numbers_of_rows_are_refused(score, name, arguments):
    with pytest.raises(ValueError, match="Mismatch in the number of predictions"):
        score(name, **arguments)


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"normalize": False}, {"sample_weight": [3, 1, 1, 0.5, 2, 1, 1]}])
def test_accuracy(score, library, options):
    expected = library("sklearn.metrics.accuracy_score", TRUE, PREDICTED, **options)
    assert score("accuracy", predictions=PREDICTED, references=TRUE, **options) == {"accuracy": expected}


def test_accuracy_default_is_the_share_and_multilabel_counts_whole_rows(score):
    assert score("accuracy", predictions=PREDICTED, references=TRUE) == {"accuracy": 4 / 7}
    assert score("accuracy", predictions=[70_000], references=[70_000 - 2**16]) == {"accuracy": 0.0}  # not cut to 16 bits
    assert score("accuracy", "multilabel", predictions=ROWS, references=TRUE_ROWS) == {"accuracy": 1 / 3}


@pytest.mark.parametrize(
    "options", [{}, {"pos_label": 0}, {"sample_weight": [3, 1, 1, 0.5, 2, 1, 1]}, {"average": "macro"}, {"average": None}]
)
def test_f1_of_two_classes(score, library, options):
    expected = library("sklearn.metrics.f1_score", TRUE_2, PREDICTED_2, **options)
    result = score("f1", predictions=PREDICTED_2, references=TRUE_2, **options)
    assert list(result) == ["f1"] and result["f1"] == pytest.approx(expected, abs=0)


@pytest.mark.parametrize(
    "options", [{"average": "micro"}, {"average": "weighted"}, {"average": None, "labels": [2, 0]}, {"average": None, "labels": [1]}]
)
def test_f1_of_three_classes(score, library, options):
    expected = library("sklearn.metrics.f1_score", TRUE, PREDICTED, **options)
    result = score("f1", predictions=PREDICTED, references=TRUE, **options)["f1"]
    assert result == pytest.approx(expected, abs=0)
    assert isinstance(result, float) == (options.get("labels") != [2, 0]), "an array only if there are several scores"


def test_f1_default_is_binary_and_multilabel_takes_rows(score, library):
    assert score("f1", predictions=[1, 1, 0, 0], references=[1, 0, 1, 0]) == {"f1": 0.5}
    expected = library("sklearn.metrics.f1_score", TRUE_ROWS, ROWS, average="samples")
    assert score("f1", "multilabel", predictions=ROWS, references=TRUE_ROWS, average="samples") == {"f1": expected}


@pytest.mark.parametrize("task", ["sst2", "mnli", "mnli_matched", "mnli_mismatched", "qnli", "rte", "wnli", "hans"])
def test_glue_tasks_scored_by_accuracy(score, task):
    assert score("glue", task, predictions=PREDICTED_2, references=TRUE_2) == {"accuracy": 5 / 7}


@pytest.mark.parametrize("task", ["mrpc", "qqp"])
def test_glue_tasks_scored_by_accuracy_and_f1(score, library, task):
    f1 = library("sklearn.metrics.f1_score", TRUE_2, PREDICTED_2)
    assert score("glue", task, predictions=PREDICTED_2, references=TRUE_2) == {"accuracy": 5 / 7, "f1": f1}


def test_glue_cola_and_stsb(score, library):
    matthews = library("sklearn.metrics.matthews_corrcoef", TRUE_2, PREDICTED_2)
    assert score("glue", "cola", predictions=PREDICTED_2, references=TRUE_2) == {"matthews_correlation": matthews}
    x, y = [0.5, 2.0, 4.5, 3.0, 1.0], [1.0, 1.5, 5.0, 2.5, 3.5]
    result = score("glue", "stsb", predictions=x, references=y)
    assert list(result) == ["pearson", "spearmanr"]
    assert result["pearson"] == pytest.approx(library("numpy.corrcoef", x, y)[0, 1])
    assert result["spearmanr"] == pytest.approx(1 - 6 * (0 + 1 + 0 + 1 + 4) / (5 * 24))  # from the ranks' differences


@pytest.mark.parametrize(
    ("name", "config", "arguments", "says"),
    [
        ("accuracy", "mrpc", {"predictions": [1], "references": [1]}, "config_name must be None or 'multilabel'"),
        ("accuracy", None, {"predictions": [], "references": []}, "empty"),
        ("f1", "macro", {"predictions": [1], "references": [1]}, "config_name must be None or 'multilabel'"),
        ("f1", None, {"predictions": PREDICTED, "references": TRUE}, "average='binary'"),
        ("f1", None, {"predictions": [1, 0], "references": [1, 0], "pos_label": 7}, "pos_label=7"),
        ("glue", None, {"predictions": [1], "references": [1]}, r"config_name must be one of .* got 'default'"),
        ("glue", "sst3", {"predictions": [1], "references": [1]}, r"config_name must be one of .* got 'sst3'"),
        ("glue", "sst2", {"predictions": [], "references": []}, "references is empty"),
    ],
)
def test_label_scores_name_what_is_wrong(score, name, config, arguments, says):
    with pytest.raises(ValueError, match=says):
        score(name, config, **arguments)


# --- entities ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"zero_division": 1},
        {"mode": "strict", "scheme": "IOB2", "zero_division": 0},
        {"mode": "strict", "scheme": "IOB1", "zero_division": 0},
    ],
)
def test_seqeval(child, score, options):
    report = child(seqeval_report, TRUE_TAGGED, TAGGED, **options)
    result = score("seqeval", predictions=TAGGED, references=TRUE_TAGGED, **options)
    overall = [result.pop(f"overall_{name}") for name in ("precision", "recall", "f1")]
    assert overall == [report["micro avg"][name] for name in ("precision", "recall", "f1-score")]
    assert result.pop("overall_accuracy") == 6 / 10
    assert result == {
        kind: {"precision": row["precision"], "recall": row["recall"], "f1": row["f1-score"], "number": row["support"]}
        for kind, row in report.items()
        if not kind.endswith(" avg")
    }


def test_seqeval_forgives_by_default_and_not_in_strict_mode(score):
    arguments = {"predictions": [["I-LOC", "O"]], "references": [["B-LOC", "O"]], "zero_division": 0}
    assert score("seqeval", **arguments)["overall_f1"] == 1.0
    assert score("seqeval", **arguments, mode="strict", scheme="IOB2")["overall_f1"] == 0.0


def test_seqeval_suffix(score):
    turned = {"predictions": [["LOC-B", "O"]], "references": [["LOC-B", "LOC-I"]]}
    assert score("seqeval", **turned, suffix=True) == score(
        "seqeval", predictions=[["B-LOC", "O"]], references=[["B-LOC", "I-LOC"]]
    )


def test_seqeval_equals_ner_scores(score):
    from course_nlp.metrics import ner_scores

    assert score("seqeval", predictions=TAGGED, references=TRUE_TAGGED) == ner_scores(TRUE_TAGGED, TAGGED)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"predictions": [["O"]], "references": [["O"]], "scheme": "IOB3"}, "scheme must be .* got 'IOB3'"),
        ({"predictions": [["O"]], "references": [["O"]], "scheme": "Token"}, "scheme must be .* got 'Token'"),
        ({"predictions": [["O"]], "references": [["O"]], "mode": "lenient"}, "mode must be .* got 'lenient'"),
        ({"predictions": [["O"]], "references": [["O", "O"]]}, "inconsistent numbers of samples"),
        ({"predictions": ["O"], "references": ["O"]}, "expected a list"),
        ({"predictions": [[0]], "references": [[0]]}, "don't match the expected format"),
        ({"predictions": [], "references": []}, "references is empty"),
    ],
)
def test_seqeval_names_what_is_wrong(score, arguments, says):
    with pytest.raises(ValueError, match=says):
        score("seqeval", **arguments)


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "library_options"),
    [
        ({}, {}),
        ({"lowercase": True}, {"lowercase": True}),
        ({"tokenize": "char"}, {"tokenize": "char"}),
        ({"smooth_method": "floor"}, {"smooth_method": "floor"}),
        ({"smooth_method": "add-k", "smooth_value": 2}, {"smooth_method": "add-k", "smooth_value": 2}),
        ({"smooth_method": "none"}, {"smooth_method": "none"}),
        ({"force": True}, {"force": True}),
    ],
)
def test_sacrebleu(child, score, options, library_options):
    expected = child(bleu_of_library, TRANSLATED, TRANSLATIONS, **library_options)
    result = score("sacrebleu", predictions=TRANSLATED, references=TRANSLATIONS, **options)
    assert result == expected
    default = child(bleu_of_library, TRANSLATED, TRANSLATIONS)
    assert (result == default) == (options in ({}, {"force": True})), "an option that changes nothing is not tested"
    assert list(result) == ["score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len"]


def test_sacrebleu_effective_order_scores_texts_of_less_than_four_words(score):
    short = {"predictions": ["open it"], "references": ["open it"]}
    assert score("sacrebleu", **short)["score"] == 0.0
    assert score("sacrebleu", **short, use_effective_order=True)["score"] == pytest.approx(100.0)


def test_sacrebleu_takes_one_string_per_prediction(score):
    single = [group[0] for group in TRANSLATIONS]
    listed = [[text] for text in single]
    assert score("sacrebleu", predictions=TRANSLATED, references=single) == score(
        "sacrebleu", predictions=TRANSLATED, references=listed
    )


def test_sacrebleu_of_chinese_needs_its_tokenizer(score):
    arguments = {"predictions": ["我喜欢北京的秋天"], "references": ["我爱北京的秋天"]}
    assert score("sacrebleu", **arguments)["counts"] == [0, 0, 0, 0]
    assert score("sacrebleu", **arguments, tokenize="zh")["counts"] == [6, 4, 3, 2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"predictions": ["a", "b"], "references": [["a", "c"], ["b"]]}, r"same number .* groups of \[1, 2\]"),
        ({"predictions": ["a"], "references": [[]]}, r"at least one; got groups of \[0\]"),
        ({"predictions": ["a"], "references": ["a"], "smooth_method": "log"}, "smooth_method must be .* got 'log'"),
        ({"predictions": ["a"], "references": ["a"], "tokenize": "chinese"}, "tokenize must be .* got 'chinese'"),
        ({"predictions": [1], "references": ["a"]}, "don't match the expected format"),
    ],
)
def test_sacrebleu_names_what_is_wrong(score, arguments, says):
    with pytest.raises(ValueError, match=says):
        score("sacrebleu", **arguments)


@pytest.mark.parametrize("stemmer", [False, True])
def test_rouge_row_by_row(child, score, stemmer):
    result = score(
        "rouge", predictions=SUMMARIES, references=TRUE_SUMMARIES, use_aggregator=False, use_stemmer=stemmer
    )
    assert list(result) == ROUGES
    for i, (prediction, reference) in enumerate(zip(SUMMARIES, TRUE_SUMMARIES, strict=True)):
        assert [result[kind][i] for kind in ROUGES] == child(
            rouge_of_library, prediction, reference, ROUGES, characters=False, stemmer=stemmer
        )


def test_rouge_stemmer_matters(score):
    arguments = {"predictions": ["running dogs"], "references": ["run dog"], "rouge_types": ["rouge1"]}
    assert score("rouge", **arguments) == {"rouge1": 0.0}
    assert score("rouge", **arguments, use_stemmer=True) == {"rouge1": 1.0}


def test_rouge_aggregate_is_a_plain_float_near_the_mean_and_repeats_with_its_seed(score):
    rows = score("rouge", predictions=SUMMARIES * 30, references=TRUE_SUMMARIES * 30, use_aggregator=False)
    aggregate = score("rouge", predictions=SUMMARIES * 30, references=TRUE_SUMMARIES * 30)
    for kind in ROUGES:
        assert type(aggregate[kind]) is float
        assert aggregate[kind] == pytest.approx(sum(rows[kind]) / len(rows[kind]), abs=0.01)
    assert score("rouge", predictions=SUMMARIES * 30, references=TRUE_SUMMARIES * 30) == aggregate


def test_rouge_takes_the_best_of_several_references_and_lines_as_sentences(score):
    several = score("rouge", predictions=["a red house"], references=[["a red car", "a red house"]])
    assert several == dict.fromkeys(ROUGES, 1.0)
    lines = score("rouge", predictions=["one two\nthree four"], references=["three four\none two"])
    assert (lines["rougeL"], lines["rougeLsum"]) == (0.5, 1.0)


def test_rouge_of_chinese_needs_a_tokenizer(child, score):
    arguments = {"predictions": ["我喜欢北京的秋天"], "references": ["我爱北京的秋天"]}
    assert score("rouge", **arguments) == dict.fromkeys(ROUGES, 0.0)
    by_characters = score("rouge", **arguments, tokenizer=list)
    assert min(by_characters.values()) > 0
    expected = child(
        rouge_of_library, arguments["predictions"][0], arguments["references"][0], ROUGES, characters=True, stemmer=False
    )
    assert list(by_characters.values()) == pytest.approx(expected)
    assert by_characters["rouge1"] == pytest.approx(0.8)  # 6 characters shared of 8 and 7


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"references": ["a"], "rouge_types": "rouge1"}, TypeError, "rouge_types must be a list .* got 'rouge1'"),
        ({"references": ["a"], "rouge_types": ["rougeX"]}, ValueError, "rougeX"),
        ({"references": ["a"], "tokenizer": "char"}, TypeError, "tokenizer must be a function .* got str"),
        ({"references": [[]]}, ValueError, r"references\[0\] is an empty list"),
    ],
)
def test_rouge_names_what_is_wrong(score, options, error, says):
    with pytest.raises(error, match=says):
        score("rouge", predictions=["a"], **options)


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(prediction: str, *references: str) -> dict:
    return {
        "predictions": [{"id": "q", "prediction_text": prediction}],
        "references": [{"id": "q", "answers": {"text": list(references), "answer_start": [0] * len(references)}}],
    }


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("Denver Broncos", ["Denver Broncos"], 100.0, 100.0),
        ("the Denver  broncos!", ["Denver Broncos"], 100.0, 100.0),  # articles, spaces, case, punctuation
        ("Broncos", ["Denver Broncos"], 0.0, 100 * 2 / 3),
        ("Levi's Stadium", ["Santa Clara", "Levis Stadium in Santa Clara", "Levi's Stadium"], 100.0, 100.0),
        ("Santa Santa Clara", ["Santa Clara"], 0.0, 80.0),  # a word counts as often as the reference has it
        ("", ["Santa Clara"], 0.0, 0.0),
        ("a bridge, an arch", ["bridge arch"], 100.0, 100.0),
        ("theatre", ["the atre"], 0.0, 0.0),  # articles are words, not letters
        ("1,000", ["1000"], 100.0, 100.0),
    ],
)
def test_squad_of_one_question_worked_out_by_hand(score, prediction, references, exact, f1):
    assert score("squad", **answer(prediction, *references)) == pytest.approx({"exact_match": exact, "f1": f1})


def test_squad_averages_over_questions_and_pairs_by_id(score):
    result = score("squad", predictions=ANSWERS, references=TRUE_ANSWERS)
    assert result == pytest.approx({"exact_match": 50.0, "f1": 75.0})  # a: right; b: 1 word of 3 against 1 of 1
    assert score("squad", predictions=ANSWERS[::-1], references=TRUE_ANSWERS) == result


def test_squad_question_without_prediction_scores_zero(score):
    stray = [{"id": "stray", "prediction_text": "London"}, ANSWERS[1]]
    assert score("squad", predictions=stray, references=TRUE_ANSWERS) == {"exact_match": 50.0, "f1": 50.0}


def test_squad_names_what_is_wrong(score):
    with pytest.raises(ValueError, match="question 'q' has no answer"):
        score("squad", **answer("London"))
    with pytest.raises(ValueError, match="references is empty"):
        score("squad", predictions=[], references=[])


# --- perplexity -------------------------------------------------------------------------------------------------------

TEXTS = ["the cat sat on the mat .", "a dog ran", "dog", "on on on on a road", "the zebra sat ."]
IDS = [[2, 4, 6, 8, 2, 9, 11], [3, 5, 7], [5], [8, 8, 8, 8, 3, 10], [2, 1, 6, 11]]


def test_perplexity_equals_a_computation_by_hand(child, score, gpt2):
    result = score("perplexity", predictions=TEXTS, model_id=gpt2)
    expected = [child(perplexity_by_hand, gpt2, [0, *ids]) for ids in IDS]
    assert result["perplexities"] == pytest.approx(expected, rel=1e-4)
    assert result["mean_perplexity"] == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert max(expected) > 2 * min(expected), "texts must differ, or the test shows little"
    assert {type(leaf) for leaf in leaves(result)} == {float}


def test_perplexity_without_start_token(child, score, gpt2):
    kept = [i for i, ids in enumerate(IDS) if len(ids) > 1]
    result = score("perplexity", predictions=[TEXTS[i] for i in kept], model_id=gpt2, add_start_token=False)
    assert result["perplexities"] == pytest.approx([child(perplexity_by_hand, gpt2, IDS[i]) for i in kept], rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_perplexity_does_not_depend_on_the_batch(score, gpt2, batch_size):
    whole = score("perplexity", predictions=TEXTS, model_id=gpt2, device="cpu")
    parts = score("perplexity", predictions=TEXTS, model_id=gpt2, batch_size=batch_size)
    assert parts["perplexities"] == pytest.approx(whole["perplexities"], rel=1e-5)


def test_perplexity_cut_to_max_length_counts_the_start_token(child, score, gpt2):
    result = score("perplexity", predictions=[TEXTS[0]], model_id=gpt2, max_length=4)
    assert result["mean_perplexity"] == pytest.approx(child(perplexity_by_hand, gpt2, [0, *IDS[0][:3]]), rel=1e-4)


def test_perplexity_of_a_model_that_knows_nothing_is_the_vocabulary_size(child, score, tmp_path):
    uniform = child(make_gpt2, tmp_path, uniform=True)
    assert score("perplexity", predictions=TEXTS, model_id=uniform)["perplexities"] == pytest.approx([12.0] * 5, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"predictions": []}, "predictions is empty"),
        ({"predictions": [""]}, "predictions: '' is too short to score; a text needs at least one token"),
        ({"predictions": ["dog"], "add_start_token": False}, "'dog' is too short .* at least two tokens"),
        ({"predictions": ["dog " * 16]}, "a text has 17 tokens, the model sees 16; pass max_length=16"),
        ({"max_length": 1}, "max_length must be 2 or more, .* got 1"),
        ({"batch_size": 0}, "batch_size must be .* got 0"),
        ({"batch_size": 1.5}, "batch_size must be .* got 1.5"),
        ({"device": "tpu"}, "device must be .* got 'tpu'"),
    ],
)
def test_perplexity_names_what_is_wrong(score, gpt2, options, says):
    with pytest.raises(ValueError, match=says):
        score("perplexity", **({"predictions": ["a dog ran"], "model_id": gpt2} | options))


def test_perplexity_without_a_start_token_to_add(child, score, tmp_path):
    bare = child(make_gpt2, tmp_path, start_token=False)
    with pytest.raises(ValueError, match="no start token; pass add_start_token=False"):
        score("perplexity", predictions=["a dog ran"], model_id=bare)
    assert score("perplexity", predictions=["a dog ran"], model_id=bare, add_start_token=False)["mean_perplexity"] > 1
