"""The libraries above the client. They read the Hub's address at import, so each script runs in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

METRIC = '''
import datasets
import evaluate


class Share(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
        return evaluate.MetricInfo(description="Share of hits.", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"share": sum(p == r for p, r in zip(predictions, references)) / len(references)}
'''


def test_models_tokenizers_pipeline_and_trainer(run_script, store):
    run_script("ecosystem_models.py")
    assert set(store.list("models")) == {"ada/tiny", "ada/parts", "ada/trained"}
    titles = [c.title for c in store.log("models", "ada/trained")]
    assert titles[0] == "Trained again" and len(titles) >= 3
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json", "training_args.bin"} <= {
        e.path for e in store.tree("models", "ada/trained")
    }  # fmt: skip


def test_datasets(run_script, store):
    run_script("ecosystem_datasets.py")
    assert "ada/reviews" in store.list("datasets")


def test_metrics_from_a_space(run_script, store):
    store.seed("spaces", "evaluate-metric/share", {"share.py": METRIC.encode(), "README.md": b"---\nsdk: gradio\n---\n"})
    assert json.loads(run_script("ecosystem_metrics.py").splitlines()[-1]) == {"share": 0.75}


def test_command_line(client_env, tmp_path, ada):
    program = Path(sys.executable).with_name("hf")

    client_env |= {"COLUMNS": "200", "NO_COLOR": "1"}

    def hf(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], env=client_env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "ada" in hf("auth", "whoami")
    hf("repos", "create", "ada/cli")
    (tmp_path / "up").mkdir()
    (tmp_path / "up/a.txt").write_text("a")
    (tmp_path / "up/w.bin").write_bytes(b"w")
    hf("upload", "ada/cli", "up", ".")
    assert ada.list_repo_files("ada/cli") == [".gitattributes", "a.txt", "w.bin"]
    hf("download", "ada/cli", "--local-dir", "down")
    assert (tmp_path / "down/w.bin").read_bytes() == b"w"
    assert "ada/cli" in hf("models", "ls", "--author", "ada")
    hf("repos", "delete", "ada/cli", "--yes")
    assert not ada.repo_exists("ada/cli")
