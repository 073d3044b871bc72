"""A training with everything that a checkpoint must remember, as a program that can be killed.

    python resumable.py OUT [--checkpoints FOLDER] [--steps N] [--accum N] [--masked] [--stream] [--pause SECONDS]

It has dropout, shuffled rows of unequal length, a warm-up, clipping and evaluation; with --masked, rows are drawn anew
in each epoch; with --stream they come from a stream. It writes the final weights and the history to OUT.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch.utils.data import DataLoader, IterableDataset

from course_nlp.checkpoints import Checkpoints
from course_nlp.training import Redrawn, decay_groups, fit_loop, start_accelerator

PAD, MASK, WORDS = 0, 1, 30


class Tagger(torch.nn.Module):
    """A classifier of tokens by their neighbors, with dropout and a batch norm, whose running means are buffers."""

    def __init__(self, dropout=0.3):
        super().__init__()
        self.embed = torch.nn.Embedding(WORDS, 8)
        self.mix = torch.nn.Conv1d(8, 16, 3, padding=1)
        self.norm = torch.nn.BatchNorm1d(16)
        self.drop = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(16, 4)

    def forward(self, input_ids, labels):
        """Return loss and logits."""
        hidden = self.norm(self.mix(self.embed(input_ids).transpose(1, 2))).relu().transpose(1, 2)
        logits = self.head(self.drop(hidden))
        return {"loss": torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels), "logits": logits}


def rows(count=26):
    """Return rows of random ids; the label of a token hangs on the token before it."""
    generator, out = torch.Generator().manual_seed(1), []
    for _ in range(count):
        ids = torch.randint(2, WORDS, (int(torch.randint(3, 9, (), generator=generator)),), generator=generator)
        out.append({"input_ids": ids, "labels": ids.roll(1) % 4})
    return out


def pad(batch):
    """Collate rows of unequal length."""
    fill = lambda name, value: torch.nn.utils.rnn.pad_sequence([row[name] for row in batch], batch_first=True, padding_value=value)
    return {"input_ids": fill("input_ids", PAD), "labels": fill("labels", -100)}


def hide(row, generator):
    """Hide a fifth of the tokens."""
    hidden = torch.rand(len(row["input_ids"]), generator=generator) < 0.2
    return row | {"input_ids": row["input_ids"].masked_fill(hidden, MASK)}


class Stream(IterableDataset):
    """Rows one after the other, in another order each epoch, without a length."""

    def __init__(self, rows):
        self.rows, self.epoch = rows, 0

    def set_epoch(self, epoch):
        """Take this epoch's order from now on."""
        self.epoch = epoch

    def __iter__(self):
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(self.epoch))
        return iter([self.rows[i] for i in order])


def train(checkpoints=None, accum=1, masked=False, stream=False, pause=0.0, epochs=4, batch=4, seed=0, each_step=None, dropout=0.3, accelerator=None, **kwargs):
    """Train from fresh weights and return the model and the history; `each_step(loss)` is called for each batch."""
    accelerator = accelerator or Accelerator(cpu=True)
    torch.manual_seed(seed)
    model = Tagger(dropout)
    data = Redrawn(rows(), hide, seed=seed) if masked else rows()
    if stream:
        loader = DataLoader(Stream(data), batch_size=batch, collate_fn=pad)
        kwargs = {"max_steps": 18} | kwargs
    else:
        loader = DataLoader(data, batch_size=batch, shuffle=True, collate_fn=pad, drop_last=True)
    valid = DataLoader(rows(7), batch_size=3, collate_fn=pad)
    optimizer = torch.optim.AdamW(decay_groups(model, 0.05), lr=kwargs.pop("lr", 0.02))

    def loss_fn(outputs, batch):
        time.sleep(pause)
        if each_step:
            each_step(outputs["loss"])
        return outputs["loss"]

    def accuracy(gathered):
        scored = gathered["labels"] != -100
        return {"accuracy": (gathered["predictions"] == gathered["labels"])[scored].double().mean().item()}

    how = {"accum": accum, "warmup_steps": 3, "max_norm": 1.0, "scheduler": "cosine", "loss_fn": loss_fn, "on_eval": accuracy, "progress": False}
    torch.manual_seed(seed + 1 + accelerator.process_index)
    return model, fit_loop(model, optimizer, (loader, valid), accelerator, epochs, checkpoints=checkpoints, **how | kwargs)


def main():
    """Train as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--accum", type=int, default=1)
    parser.add_argument("--masked", action="store_true")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--pause", type=float, default=0.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    accelerator = start_accelerator(cpu=True)
    checkpoints = Checkpoints(given.checkpoints, steps=given.steps, resume=True) if given.checkpoints else None
    batch = 4 // accelerator.num_processes
    how = {"accum": given.accum, "masked": given.masked, "stream": given.stream, "pause": given.pause, "batch": batch}
    model, history = train(checkpoints, accelerator=accelerator, **how)
    if accelerator.is_main_process:
        given.out.mkdir(parents=True, exist_ok=True)
        save_file({name: value.detach().contiguous() for name, value in model.state_dict().items()}, given.out / "model.safetensors")
        (given.out / "history.json").write_text(json.dumps(history))
    accelerator.end_training()


if __name__ == "__main__":
    main()
