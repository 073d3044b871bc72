"""Evaluate a tiny question-answering model, on as many processes as torchrun started, and write what was found."""

import json
import sys

from test_question_answering import columns, draw_rows, make_tokenizer, texts_of

ROWS = draw_rows(14, seed=21, words=(12, 45))
SIZES = {"max_length": 40, "stride": 20}


def main(folder, out):
    """Score the model in `folder` on ROWS and write EM, F1 and the answers to `out`."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import BertForQuestionAnswering, default_data_collator

    from course_nlp.metrics import squad_scores
    from course_nlp.question_answering import postprocess_qa, qa_features, start_end_logits
    from course_nlp.training import evaluate_loop, start_accelerator

    accelerator = start_accelerator(cpu=True)
    windows = qa_features(columns(ROWS), make_tokenizer(), **SIZES, train=False)
    names = ("input_ids", "token_type_ids", "attention_mask")
    data = [{name: windows[name][i] for name in names} for i in range(len(windows["example_id"]))]
    loader = DataLoader(data, collate_fn=default_data_collator, batch_size=4)
    model, loader = accelerator.prepare(BertForQuestionAnswering.from_pretrained(folder), loader)
    logits = evaluate_loop(model, loader, accelerator, start_end_logits, progress=False)
    with torch.no_grad():  # the naive way beside it: every row that the sampler handed out
        every = [accelerator.gather(start_end_logits(model.eval(), batch)["start"]) for batch in loader]
    found = postprocess_qa(ROWS, windows, logits["start"], logits["end"])
    if accelerator.is_main_process:
        scores = squad_scores(texts_of(found), [row["answers"] for row in ROWS])
        facts = {"windows": len(data), "gathered": len(logits["start"]), "all": sum(len(part) for part in every), "answers": texts_of(found)}
        facts["candidates"] = [len(spans) for spans in found.values()]
        with open(out, "w", encoding="utf-8") as file:
            json.dump(facts | scores | {"processes": accelerator.num_processes, "sum": float(logits["start"].double().sum())}, file)
    accelerator.end_training()


if __name__ == "__main__":
    main(*sys.argv[1:])
