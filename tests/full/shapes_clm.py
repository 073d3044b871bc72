"""What lesson 07.06 finds on the Hub: the codeparrot files as JSON lines, and GPT-2. (SmolLM2 is declared for 01.03.)"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from full.shape_kinds import Bytes, Checkpoint

from course_nlp import catalog
from course_nlp.hub_store import Store


@dataclass(frozen=True)
class JsonLines:
    """A data set of one split in JSON lines, packed with gzip if its name says so; no card describes it.

    `datasets` guesses the columns from the rows. tests/test_text_stand_ins_code.py holds the stand-in to the same six.
    """

    id: str
    rows: Callable[[], dict[str, list[dict]]]  # -> {split: rows}
    file: str
    kind = "datasets"

    def files(self) -> Bytes:
        """Return the files of the repository."""
        (rows,) = self.rows().values()
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return {self.file: gzip.compress(content, mtime=0) if self.file.endswith(".gz") else content}


def scripts(split: str, n: int, every: int = 1) -> dict[str, list[dict]]:
    """Return rows of code; one in `every` works with tables."""
    body = "def area_{i}(width, height):\n    \"\"\"Return the area of a rectangle.\"\"\"\n    return width * height + {i}\n"
    use = "import pandas as pd\nimport matplotlib.pyplot as plt\ndf = pd.DataFrame(x)\nplt.scatter(df.x, df.y)\nmodel.fit(x).predict(y)\n"
    rows = []
    for i in range(n):
        content = (use if i % every == 0 else "import os\n") + body.replace("{i}", str(i)) * 6
        rows.append({"repo_name": f"ada/tools-{i}", "path": f"area_{i}.py", "copies": "1", "size": str(len(content)), "content": content, "license": "mit"})
    return {split: rows}


@cache
def gpt2_files() -> dict[str, bytes]:
    """Return the files of GPT-2's tokenizer, which the stand-in has."""
    catalog.prepare((), repos=["course/gpt2-tokenizer"])
    store = Store(catalog.hub_root())
    return {name: store.read("models", "course/gpt2-tokenizer", name) for name in ("tokenizer.json", "vocab.json", "merges.txt", "config.json")}


def gpt2_tokenizer() -> Bytes:
    """Return the tokenizer of openai-community/gpt2."""
    files = {name: content for name, content in gpt2_files().items() if name != "config.json"}
    return files | {"tokenizer_config.json": json.dumps({"model_max_length": 1024}).encode()}



GPT2 = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 50256,
    "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
    "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "vocab_size": 50257,
}  # fmt: skip

SHAPES = [
    Checkpoint("openai-community/gpt2", GPT2, gpt2_tokenizer),
    JsonLines("transformersbook/codeparrot-train", lambda: scripts("train", 60, every=4), file="file-000000000000.json.gz"),
    JsonLines("huggingface-course/codeparrot-ds-train", lambda: scripts("train", 60), file="codeparrot-ds-train.jsonl"),
    JsonLines("huggingface-course/codeparrot-ds-valid", lambda: scripts("validation", 60), file="codeparrot-ds-valid.jsonl"),
]
