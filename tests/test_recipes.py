"""`course_nlp.recipes`: programs run as programs, and the adapters that ship against what they are said to reach."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from recipe_worlds import WORLDS, report_of, served
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)

from course_nlp import catalog, recipe_core, recipe_encoders, recipes
from course_nlp.checkpoints import checkpoint_steps
from course_nlp.recipe_core import Options, Split, build_model, fine_tune
from course_nlp.recipe_encoders import NER, SENTIMENT
from course_nlp.recipes import RECIPES
from course_nlp.scale import settings
from course_nlp.stand_ins import DATA, NER_TAGS, merge_lora

WORDS = "ada bell met saw in near rome oslo acme corp the great awful film was . a truly dull fine plot".split()


# --- a world of small size and real shape


def toy_tokenizer():
    """Return a WordPiece tokenizer that knows a few words and splits off a final s."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, "##s"]
    toy = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    toy.pre_tokenizer = pre_tokenizers.Whitespace()
    toy.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=toy, model_max_length=32, **names)


def tagged(n, seed):
    """Return rows with CoNLL's columns: a person, a verb, a place or company, of varying length."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n):
        people = [["ada"], ["bell"], ["ada", "bells"]][rng.integers(3)]
        where = ["rome", "oslo", "acme"][rng.integers(3)]
        place = ["acme", "corps"] if where == "acme" else [where]
        filler = ["near", "the", "great", "plot"][: rng.integers(5)]
        kind = "ORG" if where == "acme" else "LOC"
        tags = ["B-PER", "I-PER"][: len(people)] + ["O"] * (1 + len(filler)) + [f"B-{kind}", f"I-{kind}"][: len(place)] + ["O"]
        tokens = [*people, "met", *filler, *place, "."]
        rows.append({"tokens": tokens, "ner_tags": [NER_TAGS.index(tag) for tag in tags]})
    return Dataset.from_list(rows, features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=NER_TAGS))}))


def rated(n, seed):
    """Return rows of text and label that a bag of words can tell apart."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n):
        label = int(rng.random() < 0.6)
        word = [["awful", "dull"], ["great", "fine"]][label][rng.integers(2)]
        rows.append({"text": f"the {'plot' if rng.random() < 0.5 else 'film in rome'} was {'truly ' * int(rng.integers(3))}{word} .", "label": label})
    return Dataset.from_list(rows, features=Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}))


def splits(make, train=50):
    """Return three splits; none of them divides by the batch size or by two processes."""
    return DatasetDict({"train": make(train, 1), "validation": make(13, 2), "test": make(11, 3)})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return a folder with a small BERT with random weights and its tokenizer."""
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory, checkpoint):
    """Serve the small BERT and the toy data under the ids that scale `full` asks for; yield the environment for it."""
    from course_nlp.hub import serve
    from course_nlp.hub_store import Store

    root = tmp_path_factory.mktemp("hub")
    store = Store(root)
    store.seed("models", NER.originals[0], {p.name: p for p in checkpoint.iterdir()})
    files = {}
    for split, rows in splits(tagged).items():
        rows.to_parquet(root / f"{split}.parquet")
        files[f"data/{split}-00000-of-00001.parquet"] = (root / f"{split}.parquet").read_bytes()
    store.seed("datasets", NER.originals[1], files)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_NLP_", "HF_", "ACCELERATE_"))}
    with serve(root, tokens={"secret": "tester"}) as server:
        home = tmp_path_factory.mktemp("home")
        yield clean | {"HF_ENDPOINT": server.url, "HF_HOME": str(home), "HF_TOKEN": "secret", "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}


def program(env, *arguments, processes=1):
    """Run the recipes as a program, under torchrun if more than one process is asked for; return the finished process."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] if processes > 1 else []
    command = [sys.executable, *torchrun, "-m", "course_nlp.recipes", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


SHORT = ("--batch-size", 8, "--epochs", 6, "--lr", "0.02")


@pytest.fixture(scope="module")
def ner_runs(world, tmp_path_factory):
    """Run `ner` in one process and in two, at scale full against the small world."""
    out = {}
    for processes in (1, 2):
        folder = tmp_path_factory.mktemp(f"ner{processes}") / "out"
        push = ("--push", "tuned") if processes == 2 else ()
        done = program(world, "ner", "--scale", "full", "--output-dir", folder, *SHORT, *push, processes=processes)
        assert done.returncode == 0, done.stderr[-3000:]
        out[processes] = (folder, json.loads((folder / "metrics.json").read_text()), done)
    return out


def test_a_recipe_writes_a_model_a_pipeline_can_load(ner_runs):
    folder, report, done = ner_runs[1]
    assert (report["recipe"], report["scale"], report["processes"], report["steps"]) == ("ner", "full", 1, 36)
    assert report["labels"] == NER_TAGS and report["test"]["rows"] == 11 and report["validation"]["rows"] == 13
    assert report["test"]["figures"]["entity F1"] > 0.3
    from transformers import pipeline

    found = pipeline("ner", model=str(folder), device="cpu")
    assert found.model.config.id2label[1] == "B-PER" and found.model.config.hidden_dropout_prob == 0.1
    assert not any("lora" in name for name in found.model.state_dict())


def test_a_recipe_shows_progress_and_a_table(ner_runs):
    _, report, done = ner_runs[1]
    assert "36/36" in done.stderr and "loss=" in done.stderr
    row = next(line for line in done.stdout.splitlines() if "entity F1" in line)
    figures = [report["validation"]["figures"], report["test"]["figures"], report["test"]["baseline"]]
    assert re.findall(r"\d\.\d{4}", row) == [f"{f['entity F1']:.4f}" for f in figures]
    assert "36 steps in" in done.stdout and "1 process(es)" in done.stdout


def test_two_processes_reach_the_figures_of_one(ner_runs):
    (_, one, _), (_, two, done) = ner_runs[1], ner_runs[2]
    assert two["processes"] == 2 and done.stdout.count("entity F1") == 1  # one table, not two
    for split in ("validation", "test"):
        assert two[split]["rows"] == one[split]["rows"]
        assert two[split]["figures"] == pytest.approx(one[split]["figures"], abs=1e-6)
    assert [h["targets"] for h in one["history"]] == [h["targets"] for h in two["history"]]
    assert [h["loss"] for h in two["history"]] == pytest.approx([h["loss"] for h in one["history"]], rel=1e-3)


def test_the_result_is_pushed(ner_runs, world):
    from huggingface_hub import HfApi

    files = HfApi(endpoint=world["HF_ENDPOINT"], token="secret").list_repo_files("tester/tuned")
    assert {"config.json", "model.safetensors", "tokenizer.json", "metrics.json", "adapter/adapter_model.safetensors"} <= set(files)


def test_scale_small_runs_on_the_stand_ins_and_its_own_hub(borrowed_cache, tmp_path):
    from course_nlp.hub_store import Store

    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "ACCELERATE_"))} | {"OMP_NUM_THREADS": "1"}
    arguments = ("ner", "--max-steps", 3, "--output-dir", tmp_path / "out", "--push", "my-ner")
    done = program(clean | {"COURSE_NLP_SCALE": "small"}, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (report["scale"], report["checkpoint"], report["steps"]) == ("small", *NER.stand_ins[:1], 3)
    assert report["history"][-1]["loss"] < report["history"][0]["loss"]
    assert 0.2 < report["test"]["baseline"]["entity F1"] < 0.4 and report["test"]["rows"] == 120
    assert "metrics.json" in {entry.path for entry in Store(borrowed_cache / "hub").tree("models", "student/my-ner")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ner", "--rank", "0"], "rank must be 1 or more, got 0"),
        (["ner", "--scale", "medium"], "invalid choice: 'medium'"),
        (["chess"], "invalid choice: 'chess'"),
        (["ner", "--targets", ","], "targets is empty; name at least one linear layer"),
        (["ner", "--lr", "fast"], "invalid float value: 'fast'"),
        (["ner", "--keep", "0"], "keep must be 1 or more, got 0"),
        (["ner", "--checkpoint-steps", "0"], "checkpoint_steps must be 1 or more, got 0"),
        (["ner", "--mixed-precision", "fp8"], "mixed_precision must be bf16 or no, got 'fp8'"),
        (["clm", "--stream"], "stream needs max_steps: the length of a stream is not known"),
        (["ner", "--stream"], "unrecognized arguments: --stream"),
        (["mlm", "--rank", "4"], "unrecognized arguments: --rank 4"),
        ([], "required: NAME"),
    ],
)
def test_bad_command_lines_are_refused_with_a_reason(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        recipes.main(arguments)
    assert message in capsys.readouterr().err


def test_help_and_names_need_no_heavy_library():
    """Otherwise the environment would be set too late, and `--help` would take half a minute."""
    code = "import sys; from course_nlp import recipes; list(recipes.RECIPES); print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_every_recipe_is_in_the_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        recipes.main(["--help"])
    said = capsys.readouterr().out
    assert {"ner", "sentiment", "mlm", "clm"} <= set(RECIPES) and all(name in said for name in RECIPES)


def test_two_recipes_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(recipe_encoders, "TASKS", (NER, replace(SENTIMENT, name="ner")))
    with pytest.raises(ValueError, match="two recipes have the same name"):
        list(recipes._Recipes())


def test_accelerate_reads_the_example_for_fsdp():
    """No GPU here: what is tested is that Accelerate finds the settings and hands the program its arguments."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    line = ["--config_file", str(DATA / "fsdp.yaml"), "-m", "course_nlp.recipes", "clm", "--stream", "--max-steps", "5"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(line))
    assert arguments.use_fsdp and (arguments.num_machines, arguments.num_processes) == (2, 8) and arguments.module
    assert arguments.training_script == "course_nlp.recipes"
    assert vars(recipes._parser().parse_args(arguments.training_script_args))["max_steps"] == 5
    env = prepare_multi_gpu_env(arguments)
    said = {name: env[name] for name in ("ACCELERATE_USE_FSDP", "FSDP_VERSION", "FSDP_STATE_DICT_TYPE", "ACCELERATE_MIXED_PRECISION")}
    assert list(said.values()) == ["true", "2", "FULL_STATE_DICT", "bf16"]


def test_bf16_trains_where_the_hardware_has_it(checkpoint):
    if not recipe_core.has_bf16():
        pytest.skip("this machine has no bf16 arithmetic, and the option is refused (see below)")
    from course_nlp.training import start_accelerator

    plain, _, _ = trained(SENTIMENT, splits(rated), checkpoint, max_steps=4)
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = start_accelerator(cpu=True, mixed_precision="bf16")
        given = Options(Path("unused"), batch_size=8, lr=0.02, epochs=2, max_steps=4)
        model = build_model(SENTIMENT, str(checkpoint), ["NEGATIVE", "POSITIVE"], given)
        half = fine_tune(SENTIMENT, given, model, AutoTokenizer.from_pretrained(checkpoint), splits(rated), accelerator)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    losses = [[step["loss"] for step in report["history"]] for report in (plain, half)]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.05)
    assert all(p.dtype == torch.float32 for p in model.parameters())


# --- pieces, in this process


def trained(task, data, checkpoint, **options):
    """Fine-tune the small BERT; return the report, the model, and its tokenizer."""
    given = Options(**{"output_dir": Path("unused"), "batch_size": 8, "lr": 0.02, "epochs": 2} | options)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = build_model(task, str(checkpoint), task.labels(data["train"]), given)
    return fine_tune(task, given, model, tokenizer, data, Accelerator(cpu=True)), model, tokenizer


def test_the_sentiment_recipe_trains_and_max_steps_stops_it(checkpoint):
    report, _, _ = trained(SENTIMENT, splits(rated), checkpoint, max_steps=3)
    assert report["steps"] == 3 and report["labels"] == ["NEGATIVE", "POSITIVE"]
    assert list(report["test"]["figures"]) == ["accuracy"] and 0 < report["test"]["baseline"]["accuracy"] < 1
    report, _, _ = trained(SENTIMENT, splits(rated), checkpoint, epochs=8)
    assert report["test"]["figures"]["accuracy"] > 0.9 > report["test"]["baseline"]["accuracy"]


def test_a_run_can_be_repeated_bit_for_bit_and_the_seed_matters(checkpoint):
    data = splits(rated)
    (first, model, _), (second, twin, _) = (trained(SENTIMENT, data, checkpoint) for _ in range(2))
    other, _, _ = trained(SENTIMENT, data, checkpoint, seed=1)
    assert first["history"] == second["history"] != other["history"]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_what_is_trained_is_the_adapter_and_the_head_in_fp16_values(checkpoint):
    _, model, _ = trained(NER, splits(tagged), checkpoint)
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {re.sub(r".*\.(query|value|classifier)\..*", r"\1", name) for name in names} == {"query", "value", "classifier"}
    assert all(torch.equal(p, p.half().float()) for p in model.parameters() if p.requires_grad)


def test_an_adapter_ships_with_what_it_reached(checkpoint, tmp_path):
    report, model, _ = trained(SENTIMENT, splits(rated), checkpoint)
    options = Options(Path("unused"), seed=42)
    recipe_core.ship(SENTIMENT, options, model, report | {"scale": "small"}, tmp_path)
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["command"] == "python -m course_nlp.recipes sentiment --scale small --seed 42 --ship"
    assert recipe["labels"] == ["NEGATIVE", "POSITIVE"] and recipe["steps"] == 12
    assert recipe["figures"] == {"accuracy": pytest.approx(report["test"]["figures"]["accuracy"], abs=1e-4)}
    assert recipe["evaluated_on"] == "the 11 test rows of course/movie-reviews"
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert {t.dtype for t in tensors.values()} == {np.dtype("float16")}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (8, 16, ["query", "value"])
    assert config["base_model_name_or_path"] == "course/minilm-l6"


def test_predictions_come_back_in_the_order_of_the_rows(checkpoint):
    from transformers import DataCollatorForTokenClassification

    tokenizer, data = toy_tokenizer(), splits(tagged)["test"]
    features = recipe_encoders.ner_encode(data, tokenizer, NER_TAGS, 32)
    lengths = [len(ids) for ids in features["input_ids"]]
    assert lengths != sorted(lengths, reverse=True)
    model = build_model(NER, str(checkpoint), NER_TAGS, Options(Path("unused")))
    gathered = recipe_core.predict(model, features, DataCollatorForTokenClassification(tokenizer), Accelerator(cpu=True))
    assert [row[row >= 0].tolist() for row in gathered["labels"]] == [[i for i in row if i >= 0] for row in features["labels"]]


def test_the_written_model_scores_as_the_trained_one(checkpoint, tmp_path):
    report, model, tokenizer = trained(SENTIMENT, splits(rated), checkpoint)
    batch = tokenizer(splits(rated)["test"]["text"][:], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model.eval()(**batch).logits
    recipe_core.write_results(model, tokenizer, report | {"checkpoint": str(checkpoint)}, tmp_path)
    with torch.no_grad():
        written = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()(**batch).logits
    assert torch.allclose(written, expected, atol=1e-5)


def test_words_cut_off_count_as_missed():
    data = tagged(2, 0).select([0])
    words = len(data[0]["tokens"])
    gathered = {"predictions": torch.tensor([[-100] + [0] * words])}  # the model sees nothing at all
    assert recipe_encoders.ner_figures(gathered, Split(data, None, toy_tokenizer(), NER_TAGS))["entity recall"] == 0.0


def test_bad_options_are_named(checkpoint, tmp_path, monkeypatch):
    for change, message in [
        ({"max_steps": 0}, "max_steps must be 1 or more, got 0"),
        ({"threads": 0}, "threads must be 1 or more, got 0"),
        ({"lr": 0.0}, "lr must be above 0, got 0.0"),
        ({"targets": ()}, "targets is empty"),
    ]:
        with pytest.raises(ValueError, match=message):
            Options(tmp_path, **change)
    with pytest.raises(ValueError, match="batch_size = 5 cannot be shared evenly by 2 processes; use a multiple of 2"):
        recipe_core._share(5, 2)
    with pytest.raises(ValueError, match=r"targets = \['wheels'\] does not fit .*"):
        build_model(NER, str(checkpoint), NER_TAGS, Options(tmp_path, targets=("wheels",)))
    with pytest.raises(ValueError, match=r"labels must be 0 \(negative\) and 1 \(positive\), got \[0, 1, 2\]"):
        recipe_encoders.sentiment_labels(Dataset.from_dict({"label": [0, 1, 2]}))
    small, full = (replace(settings(), scale=scale) for scale in ("small", "full"))
    for options, chosen in ((Options(tmp_path, ship=True, max_steps=3), small), (Options(tmp_path, ship=True), full)):
        with pytest.raises(ValueError, match="ship needs scale small and no max_steps"):
            recipe_core._check_before(options, chosen)
    monkeypatch.setattr(recipe_core, "has_bf16", lambda: False)
    with pytest.raises(ValueError, match="this machine cannot compute in bf16"):
        recipe_core._check_before(Options(tmp_path, mixed_precision="bf16"), small)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="checkpoint_steps and resume cannot be used under FSDP"):
        recipe_core._check_before(Options(tmp_path, resume=True), small)
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="output_dir = .* is a file; give a folder"):
        recipe_core._check_before(Options(tmp_path / "file"), small)


# --- what ships


SHIPPED = {  # recipe -> the stand-in that its weights become; one line for each recipe that ships weights
    "ner": "course/minilm-l6-ner",
    "sentiment": "course/minilm-l6-sentiment",
    "translation": "course/marian-en-fr",
    "summarization": "course/title-writer",
    "cloze": "course/minilm-l6-cloze",
    "qa": "course/minilm-l6-qa",
}
LABELS = {"ner": NER_TAGS, "sentiment": ["NEGATIVE", "POSITIVE"]}
MODEL = {"ner": AutoModelForTokenClassification, "sentiment": AutoModelForSequenceClassification}
ADAPTERS = [name for name in SHIPPED if RECIPES[name].ships == "adapter"]


def carried(name):
    """Return the folder of the package with what a recipe shipped."""
    return DATA / recipe_core.PLACES[RECIPES[name].ships] / name


def record(name):
    """Return a recipe's record of how its weights came about."""
    return json.loads((carried(name) / "recipe.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shipped(stand_in_cache, tmp_path_factory):
    """Return a function that lays out a stand-in as a folder."""
    from course_nlp.hub_store import Store

    needed = [*SHIPPED.values(), *(RECIPES[name].stand_ins[1] for name in SHIPPED)]
    catalog.prepare((), repos=needed)
    store = Store(catalog.hub_root())

    def lay_out(kind, repo_id):
        folder = tmp_path_factory.mktemp("repo")
        for entry in store.tree(kind, repo_id):
            if entry.is_file:
                (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
                (folder / entry.path).write_bytes(store.read(kind, repo_id, entry.path))
        return folder

    return lay_out


def test_all_that_ships_is_tested_here_and_fits_into_25_mb():
    for place in ("adapters", "trained"):
        assert {path.name for path in (DATA / place).glob("*/")} == {name for name in SHIPPED if carried(name).parent.name == place}
    assert sum(path.stat().st_size for name in SHIPPED for path in carried(name).rglob("*")) < 25e6


@pytest.mark.parametrize("name", RECIPES)
def test_a_record_says_how_it_came_about(name):
    if not carried(name).is_dir():
        assert name not in SHIPPED
        pytest.skip(f"{name} has not been trained with --ship")
    told, task = record(name), RECIPES[name]
    assert told["command"] == f"python -m course_nlp.recipes {name} --scale small --seed {told['seed']} --ship"
    assert told["labels"] == LABELS.get(name, []) and told["tolerance"] == task.tolerance > 0
    (headline,) = told["figures"]
    assert told["baselines"].keys() == {headline} and told["seconds"] > 0 and told["steps"] > 20
    better = min if headline in ("perplexity", "loss") else max
    assert better(told["figures"][headline], told["baselines"][headline]) == told["figures"][headline] != told["baselines"][headline]
    assert told["evaluated_on"].endswith(task.stand_ins[1])


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_in_fp16(name):
    (weights,) = carried(name).glob("*.safetensors")
    assert {t.dtype for t in load_file(weights).values() if t.dtype.kind == "f"} == {np.dtype("float16")}
    assert RECIPES[name].ships != "adapter" or sum(p.stat().st_size for p in carried(name).iterdir()) < 1_500_000


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name in MODEL])
def test_merging_without_peft_gives_pefts_weights(name, shipped):
    from peft import PeftModel

    folder, labels = carried(name), record(name)["labels"]
    base = MODEL[name].from_pretrained(shipped("models", "course/minilm-l6"), num_labels=len(labels))
    weights = {key: value.numpy().copy() for key, value in base.state_dict().items()}
    lora = json.loads((folder / "adapter_config.json").read_text())
    ours = merge_lora(weights, load_file(folder / "adapter_model.safetensors"), lora["lora_alpha"] / lora["r"])
    theirs = PeftModel.from_pretrained(base, folder).merge_and_unload().state_dict()
    assert set(ours) == set(theirs)
    changed = [key for key in theirs if not np.array_equal(weights[key], theirs[key].numpy())]
    assert len(changed) == 14  # query and value in six layers, and the head
    for key in theirs:
        assert np.allclose(ours[key], theirs[key].numpy(), atol=1e-6), key


EVALUATE = """
import json, sys
from pathlib import Path
from course_nlp import recipe_core, recipes
from course_nlp.recipe_core import Options, Split

name, repo, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
task, options = recipes.RECIPES[name], Options(Path("unused"), scale="small")
recipe_core.connect(options, [repo, task.stand_ins[1]])
from accelerate import Accelerator
from datasets import load_dataset
from huggingface_hub import snapshot_download
from transformers import AutoTokenizer

folder = Path(snapshot_download(repo))
rows = (task.load(task.stand_ins[1], options) if task.load else load_dataset(task.stand_ins[1]))["test"]
rows = rows.select(range(min(len(rows), count)))
tokenizer = AutoTokenizer.from_pretrained(folder)
model = recipe_core.model_class(task, folder).from_pretrained(folder)
names = json.loads(sys.argv[4])
assert not names or list(model.config.id2label.values()) == names
_, length = recipe_core._lengths(task, options, model, tokenizer)
features = (task.encode_eval or task.encode)(rows, tokenizer, names, length)
collate = recipe_core._collator(task, tokenizer, model)
kw = {"gather": task.gather, "pad_index": task.pad_index, "batch_size": task.eval_batch_size, "aside": task.aside}
gathered = recipe_core.predict(model, features, collate, Accelerator(cpu=True), **kw)
print(json.dumps(task.figures(gathered, Split(rows, features, tokenizer, names))))
"""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.campaign if name == "cloze" else ()) for name in SHIPPED])
def test_shipped_weights_reach_what_is_recorded(name, stand_in_cache):
    """The rows are the first ones of the test split, 200 at most, to save time; for all of them the record holds to its tolerance."""
    told = record(name)
    arguments = (name, SHIPPED[name], str(told["sample"]["rows"]), json.dumps(told["labels"]))
    done = subprocess.run([sys.executable, "-c", EVALUATE, *arguments], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    reached = json.loads(done.stdout.splitlines()[-1])
    ((figure, recorded),) = told["figures"].items()
    assert reached[figure] == pytest.approx(told["sample"][figure], abs=max(0.005, told["tolerance"] / 4))
    if told["sample"]["rows"] == told["rows"]:
        assert reached[figure] == pytest.approx(recorded, abs=told["tolerance"])


# --- killed and taken up again


def kill_at(step, folder, env, arguments):
    """Start a recipe and kill it with -9 once it has written a checkpoint of `step` or later; return at which step that was."""
    command = [sys.executable, "-m", "course_nlp.recipes", *map(str, arguments)]
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while not (found := checkpoint_steps(folder / "out" / "checkpoints")) or found[-1] < step:
            assert started.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < until, f"no checkpoint of step {step}"
            time.sleep(0.005)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    return found[-1]


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "mlm" else pytest.mark.campaign) for name in WORLDS])
def test_kill_9_in_mid_training_and_resume_equals_uninterrupted(name, tmp_path):
    """Once by default, in the campaign over all recipes; an epoch count that leaves time to kill."""
    long = (*WORLDS[name].arguments, "--epochs", 40)
    with served(name, tmp_path) as env:
        expected = program(env, name, "--output-dir", tmp_path / "alone", *long)
        assert expected.returncode == 0, expected.stderr[-3000:]
        saving = (name, "--output-dir", tmp_path / "out", *long, "--checkpoint-steps", 3, "--resume")
        at = kill_at(random.SystemRandom().randrange(3, 60), tmp_path, env, saving)
        done = program(env, *saving)
        assert done.returncode == 0, done.stderr[-3000:]
    whole, again = report_of(tmp_path / "alone"), report_of(tmp_path / "out")
    assert at < again["steps"] and again["history"] == whole["history"]
    for split in ("validation", "test"):
        assert again[split] == whole[split]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (tmp_path / "alone" / "model.safetensors").read_bytes()


def test_what_a_checkpoint_was_made_with_must_be_the_same(checkpoint, tmp_path):
    data = splits(rated)
    kw = {"output_dir": tmp_path, "epochs": 2}
    whole, _, _ = trained(SENTIMENT, data, checkpoint, epochs=2)
    saved, _, _ = trained(SENTIMENT, data, checkpoint, checkpoint_steps=5, keep=1, **kw)
    assert saved["history"] == whole["history"] and checkpoint_steps(tmp_path / "checkpoints") == [12]
    again, _, _ = trained(SENTIMENT, data, checkpoint, resume=True, **kw)
    assert again["history"] == whole["history"] and again["test"] == whole["test"]
    with pytest.raises(ValueError, match="holds a checkpoint of step 12: pass resume=True"):
        trained(SENTIMENT, data, checkpoint, checkpoint_steps=5, **kw)
    changed = {"lr": ({"lr": 0.01}, data), "seed": ({"seed": 1}, data), "alpha": ({"alpha": 8}, data), "epochs": ({"epochs": 3}, data)}
    changed |= {"learning weights": ({"rank": 4}, data), "max_length": ({"max_length": 6}, data), "training data": ({}, splits(rated, train=51))}
    for name, (change, rows) in changed.items():
        with pytest.raises(ValueError, match="this is not the training that the checkpoint was made by") as caught:
            trained(SENTIMENT, rows, checkpoint, resume=True, **kw | change)
        assert f"{name} was" in str(caught.value)


def test_a_whole_model_ships_in_fp16_and_the_stand_in_holds_the_same_numbers(tmp_path, monkeypatch):
    """The toy is a GPT-2; what matters is what becomes of its files."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from course_nlp import model_stand_ins
    from course_nlp.catalog import entries
    from course_nlp.stand_ins import Source

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=30, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1))
    recipe_core.round_to_half(model)
    task = replace(RECIPES["clm"], ships="whole")
    figures = {"perplexity": 3.0}
    test = {"rows": 5, "figures": figures, "baseline": {"perplexity": 9.0}, "sample": {"rows": 5} | figures}
    report = {"scale": "small", "labels": [], "steps": 3, "seconds": 1.0, "test": test}
    folder = tmp_path / "trained" / "toy"
    recipe_core.ship(task, Options(tmp_path), model, report, folder, toy_tokenizer())
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {np.dtype("float16")}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    monkeypatch.setattr(model_stand_ins, "DATA", tmp_path)
    entry = replace(entries()["course/minilm-l6-ner"], build="trained", trained="toy")
    files = model_stand_ins.build_trained(entry, Source({}, lambda id, path: b""), tmp_path / "scratch")
    assert "recipe.json" not in files and {"tokenizer.json", "generation_config.json"} <= set(files)
    for name, content in files.items():
        (tmp_path / "built").mkdir(exist_ok=True)
        (tmp_path / "built" / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    loaded = GPT2LMHeadModel.from_pretrained(tmp_path / "built")
    assert loaded.dtype == torch.float32
    for one, two in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, two)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="data/trained/toy has no model.safetensors; its recipe writes it with --ship"):
        model_stand_ins.build_trained(entry, Source({}, lambda id, path: b""), tmp_path / "scratch")
