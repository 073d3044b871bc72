"""Evaluate a tiny translator on however many processes torchrun started, and write what was gathered: run by a test."""

import json
import sys
from pathlib import Path

from datasets import Dataset
from tiny_seq2seq import PAIRS, tiny_tokenizer
from torch.utils.data import DataLoader
from transformers import DataCollatorForSeq2Seq, MarianMTModel

from course_nlp.metrics import bleu
from course_nlp.seq2seq import decode_pair, generation_rows, pair_tokenize
from course_nlp.training import evaluate_loop, start_accelerator

ROWS = [PAIRS[i % len(PAIRS)] for i in range(12)] + [("the small cat sees", "le petit chien voit un chat")]  # 13, of different width


def main(checkpoint, out, gather):
    """Evaluate the model at `checkpoint` and write rows, texts and BLEU to the file `out`."""
    accelerator = start_accelerator(cpu=True)
    if gather == "every row":  # the mistake: rows that the sampler repeats are kept
        accelerator.gather_for_metrics = accelerator.gather
    tokenizer, model = tiny_tokenizer(), MarianMTModel.from_pretrained(checkpoint)
    data = Dataset.from_dict(pair_tokenize(tokenizer, *map(list, zip(*ROWS, strict=True))))
    loader = DataLoader(data, batch_size=4, collate_fn=DataCollatorForSeq2Seq(tokenizer, model=model))
    model, loader = accelerator.prepare(model, loader)
    pad_index = {"predictions": tokenizer.pad_token_id, "labels": -100}
    rows = evaluate_loop(model, loader, accelerator, generation_rows(accelerator, max_length=16), pad_index=pad_index, progress=False)
    pair = decode_pair(rows["predictions"], rows["labels"], tokenizer)
    if accelerator.is_main_process:
        report = {"processes": accelerator.num_processes, "rows": len(pair.pred), "bleu": bleu(*pair), "pred": pair.pred, "ref": pair.ref}
        ignored = (rows["labels"] == -100).sum(dim=1).tolist()
        Path(out).write_text(json.dumps(report | {"ignored": ignored}))
    del model  # the wrapper around it goes before the process group does: the other way round, a process may never end
    accelerator.free_memory()
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(*sys.argv[1:])
