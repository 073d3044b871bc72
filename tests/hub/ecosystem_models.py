"""Push and load models, tokenizers, configs; pipeline; Trainer. Run by test_ecosystem.py."""

import torch
from datasets import Dataset
from huggingface_hub import HfApi
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    pipeline,
)

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"a good bad film it was".split()]
backend = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
shape = dict(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2)
torch.manual_seed(0)
model = BertForSequenceClassification(BertConfig(**shape))
api = HfApi()

# A model and its tokenizer, there and back.
first = model.push_to_hub("tiny")
tokenizer.push_to_hub("tiny")
assert first.repo_url.repo_id == "ada/tiny"
loaded, loaded_tokenizer = AutoModelForSequenceClassification.from_pretrained("ada/tiny"), AutoTokenizer.from_pretrained("ada/tiny")
assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True))
assert loaded_tokenizer("a good film")["input_ids"] == tokenizer("a good film")["input_ids"]
assert (api.model_info("ada/tiny").pipeline_tag, api.model_info("ada/tiny").library_name) == ("text-classification", "transformers")

# The task comes from the Hub, which inferred it from the architecture.
assert pipeline(model="ada/tiny").task == "text-classification"
assert 0 < pipeline("sentiment-analysis", model="ada/tiny")("a good film")[0]["score"] < 1

# Parts, revisions, pull requests.
model.config.push_to_hub("parts", private=True)
assert AutoConfig.from_pretrained("ada/parts").hidden_size == 16
model.config.hidden_dropout_prob = 0.25
api.create_branch("ada/parts", branch="other")
model.config.push_to_hub("parts", revision="other", commit_message="Other")
dropout = {name: AutoConfig.from_pretrained("ada/parts", revision=name).hidden_dropout_prob for name in ("main", "other")}
assert dropout == {"main": 0.1, "other": 0.25}
proposal = model.push_to_hub("ada/tiny", create_pr=True)
assert AutoConfig.from_pretrained("ada/tiny", revision=proposal.pr_revision).hidden_dropout_prob == 0.25

# Trainer.
rows = Dataset.from_dict({"text": ["a good film", "it was bad"] * 8, "labels": [1, 0] * 8})
rows = rows.map(lambda row: tokenizer(row["text"]), remove_columns="text")
arguments = TrainingArguments(
    "trained", push_to_hub=True, max_steps=4, save_steps=2, per_device_train_batch_size=4, use_cpu=True,
    dataloader_pin_memory=False, hub_strategy="every_save", report_to=[], disable_tqdm=True,
)  # fmt: skip
trainer = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
trainer.train()
pushed = trainer.push_to_hub(commit_message="Trained again", dataset="toy")
assert pushed.oid == api.model_info("ada/trained").sha
card = api.model_info("ada/trained").card_data
assert card.library_name == "transformers" and card.model_name == "trained", card
assert torch.equal(
    AutoModelForSequenceClassification.from_pretrained("ada/trained").classifier.weight, trainer.model.classifier.weight
)
