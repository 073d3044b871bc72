"""Push and load data sets: configs, splits, slices, streaming, plain files. Run by test_ecosystem.py."""

import os

import pandas as pd
from datasets import Dataset, DatasetDict, get_dataset_config_names, get_dataset_split_names, load_dataset
from huggingface_hub import HfApi

api = HfApi()
rows = Dataset.from_dict({"text": [f"review {n}" for n in range(20)], "stars": list(range(20))})

Dataset.push_to_hub(rows, "ada/reviews")
assert load_dataset("ada/reviews", split="train")["stars"][:] == list(range(20))
assert load_dataset("ada/reviews", split="train[5:8]")["stars"][:] == [5, 6, 7]
rows.select(range(3)).push_to_hub("ada/reviews", split="test")
assert get_dataset_split_names("ada/reviews") == ["train", "test"]
streamed = load_dataset("ada/reviews", split="train", streaming=True)
assert [row["stars"] for row in streamed.take(4)] == [0, 1, 2, 3]

parts = DatasetDict({"train": rows.select(range(15)), "validation": rows.select(range(15, 20))})
parts.push_to_hub("ada/configured", "english")
parts.push_to_hub("ada/configured", "french")
assert get_dataset_config_names("ada/configured") == ["english", "french"]
assert load_dataset("ada/configured", "french")["validation"].num_rows == 5
assert next(iter(load_dataset("ada/configured", "english", split="validation", streaming=True)))["stars"] == 15

api.create_repo("plain", repo_type="dataset", private=True)
api.upload_file(repo_id="ada/plain", repo_type="dataset", path_in_repo="data/train.jsonl", path_or_fileobj=b'{"x": 1}\n{"x": 2}\n')
api.upload_file(repo_id="ada/plain", repo_type="dataset", path_in_repo="table.csv", path_or_fileobj=b"a,b\n1,2\n")
assert load_dataset("ada/plain", data_files="data/train.jsonl", split="train")["x"][:] == [1, 2]
assert pd.read_csv("hf://datasets/ada/plain/table.csv").to_dict("list") == {"a": [1], "b": [2]}
api.update_repo_settings("ada/plain", private=False, repo_type="dataset")
url = f"{os.environ['HF_ENDPOINT']}/datasets/ada/plain/resolve/main/data/train.jsonl"
assert load_dataset("json", data_files=url, split="train")["x"][:] == [1, 2]
