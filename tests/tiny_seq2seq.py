"""A tokenizer and a translator small enough to build in every test that needs them."""

WORDS = "the a cat dog house sees sleeps big small le la un une chat chien maison voit dort grand petit . translate English to French :".split()
VOCABULARY = {token: i for i, token in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
PAIRS = [
    ("the cat sleeps .", "le chat dort ."),
    ("the dog sees the cat .", "le chien voit le chat ."),
    ("a big house", "une grand maison"),
    ("the small dog sees a big house .", "le petit chien voit une grand maison ."),
    ("cat", "chat"),
]


def tiny_tokenizer():
    """Return a fast tokenizer of words that ends every text with </s>, on both sides."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    base = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=base, model_max_length=64, model_input_names=["input_ids", "attention_mask"], **special)


def tiny_marian(seed=0, **changes):
    """Return a Marian with one layer of 32 on each side, the same each time, without dropout."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(seed)
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "forced_eos_token_id": 1, "decoder_start_token_id": 0, "vocab_size": len(VOCABULARY)}
    start = {"dropout": 0.0, "init_std": 0.17}  # at this width, weights of the usual 0.02 would leave the source unread
    return MarianMTModel(MarianConfig(**sizes | ids | start | changes))


def trained_marian(tokenizer, steps=120):
    """Return a tiny Marian that has learned PAIRS by heart."""
    import torch
    from transformers import DataCollatorForSeq2Seq

    model = tiny_marian()
    features = tokenizer([source for source, _ in PAIRS], text_target=[target for _, target in PAIRS])
    rows = [{name: values[i] for name, values in features.items()} for i in range(len(PAIRS))]
    batch = DataCollatorForSeq2Seq(tokenizer, model=model)(rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()
