"""The GPT-2 import against transformers: equal logits, equal ids, and every wrong folder refused in a sentence."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as TheirTokenizer
from tokenizers import decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

from glassformer.errors import CheckpointError, GlassError, TokenizerError
from glassformer.export.huggingface import read_gpt2
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.model.gpt import GPT
from glassformer.recipes.adopt import adopt
from glassformer.runs import checkpoint
from glassformer.runs import weights as weights_file

PAIRS = ["h e", "l l", "o w", "Ġ w", "he ll", "Ġw o"]
TEXTS = ["hello world, wow!", "  spaces\n\tand tabs  ", "Grüße 🦊 hello", "it's 1234 <|endoftext|>", ""]


def vocabulary() -> dict[str, int]:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(pair.replace(" ", "") for pair in PAIRS), "<|endoftext|>"]
    return {token: id for id, token in enumerate(tokens)}


def theirs(seed: int = 0, **config) -> GPT2LMHeadModel:
    """A small GPT-2 whose every tensor is random: fresh biases are 0 and fresh norms 1, which would hide a mix-up."""
    torch.manual_seed(seed)
    shapes = dict(vocab_size=len(vocabulary()), n_positions=32, n_embd=48, n_layer=3, n_head=4) | config
    model = GPT2LMHeadModel(GPT2Config(**shapes)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return model


def write_tokenizer(folder: Path) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocabulary(), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *PAIRS]) + "\n", encoding="utf-8")


def import_gpt2(folder: Path, run: Path) -> Path:
    """What `glass import` does."""
    return adopt(run, *read_gpt2(folder), folder)


@pytest.fixture
def folder(tmp_path) -> Path:
    theirs().save_pretrained(tmp_path / "gpt2")
    write_tokenizer(tmp_path / "gpt2")
    return tmp_path / "gpt2"


def ours(folder: Path) -> GPT:
    config, weights, _ = read_gpt2(folder)
    model = GPT(config).eval()
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def assert_equal_logits(ours: GPT, theirs: GPT2LMHeadModel, length: int = 32) -> None:
    ids = torch.randint(theirs.config.vocab_size, (2, length), generator=torch.Generator().manual_seed(1))
    expected = theirs(ids).logits
    torch.testing.assert_close(ours(ids), expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.5


@pytest.mark.parametrize("config", [
    {},
    {"tie_word_embeddings": False},
    {"n_inner": 80, "layer_norm_epsilon": 0.03},
    {"n_layer": 1, "n_head": 1, "n_positions": 40},
])  # fmt: skip
def test_logits_equal_transformers(tmp_path, config):
    model = theirs(**config)
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    assert_equal_logits(ours(tmp_path), model)


def save_bare(folder: Path, state: dict) -> None:
    """As GPT2Model saves: no "transformer." before the names, and no head."""
    inner = {
        name.removeprefix("transformer."): tensor for name, tensor in state.items() if name.startswith("transformer.")
    }
    save_file(inner, folder / "model.safetensors")


def save_with_masks(folder: Path, state: dict) -> None:
    masks = {
        "transformer.h.0.attn.bias": torch.ones(1, 1, 32, 32),
        "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    save_file({**state, **masks}, folder / "model.safetensors")


def save_as_half(folder: Path, state: dict) -> None:
    save_file({name: tensor.half() for name, tensor in state.items()}, folder / "model.safetensors")


def save_sharded(folder: Path, state: dict) -> None:
    (folder / "model.safetensors").unlink()
    theirs().save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


def save_as_pytorch(folder: Path, state: dict) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({**state, "lm_head.weight": state["transformer.wte.weight"]}, folder / "pytorch_model.bin")


def save_as_pytorch_of_2019(folder: Path, state: dict) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [
    save_bare, save_with_masks, save_as_half, save_sharded, save_as_pytorch, save_as_pytorch_of_2019
])  # fmt: skip
def test_every_way_of_storing_weights(folder, save):
    model = theirs()
    save(folder, load_file(folder / "model.safetensors"))
    if save is save_as_half:
        model = model.half().float()
    assert_equal_logits(ours(folder), model)


def test_tokenizer_files_give_the_same_ids(folder):
    reference = TheirTokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.decoder = decoders.ByteLevel()
    _, _, from_pair = read_gpt2(folder)
    (folder / "vocab.json").unlink()
    reference.add_special_tokens(["<|endoftext|>", "<|pad|>"])
    reference.save(str(folder / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="264 ids and a model of 263"):
        read_gpt2(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 264}))
    state = load_file(folder / "model.safetensors")
    state["transformer.wte.weight"] = torch.nn.functional.pad(state["transformer.wte.weight"], (0, 0, 0, 1))
    save_file(state, folder / "model.safetensors")
    _, _, from_one_file = read_gpt2(folder)
    reference.encode_special_tokens = True
    for text in TEXTS:
        expected = reference.encode(text).ids
        assert from_pair.encode(text) == from_one_file.encode(text) == expected
        assert from_pair.decode(expected) == text
    assert from_pair.end_of_text == 262 and from_one_file.special == {"<|endoftext|>": 262, "<|pad|>": 263}


def test_added_tokens_are_special(folder):
    (folder / "added_tokens.json").write_text('{"<|pad|>": 263}')
    with pytest.raises(CheckpointError, match="264 ids"):
        read_gpt2(folder)


def test_an_import_is_a_checkpoint_that_generates_as_transformers_does(folder, tmp_path):
    path = import_gpt2(folder, tmp_path / "run")
    opened = checkpoint.load(tmp_path / "run")
    assert opened.folder == path and opened.step == 0
    model, tokenizer = opened.model(), opened.tokenizer()
    assert_equal_logits(model, theirs())
    prompt = [tokenizer.end_of_text, *tokenizer.encode("hello")]
    expected = theirs().generate(
        torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    tokens = generate(model, [prompt], SamplingConfig(temperature=0, max_new_tokens=20))
    assert [token.id for token in tokens] == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize("tied", [True, False])
def test_fault_11_padding_of_the_vocabulary_is_left_out(tmp_path, tied):
    """GPT-2 as many train it: 57 rows behind the last token, with scores that would win."""
    model = theirs(vocab_size=320, tie_word_embeddings=tied)
    with torch.no_grad():
        model.lm_head.weight[263:] *= 30
    model.save_pretrained(tmp_path / "gpt2")
    write_tokenizer(tmp_path / "gpt2")
    config, weights, tokenizer = read_gpt2(tmp_path / "gpt2")
    assert (config.vocab_size, config.absent, len(weights["embed.weight"])) == (263, (), 263)
    import_gpt2(tmp_path / "gpt2", tmp_path / "run")
    ours = checkpoint.load(tmp_path / "run").model()
    ids = torch.arange(20)[None]
    torch.testing.assert_close(ours(ids), model(ids).logits[..., :263], rtol=1e-5, atol=1e-5)
    for temperature in (0, 1, 50):
        sampling = SamplingConfig(temperature=temperature, max_new_tokens=100)
        tokenizer.decode(token.id for token in generate(ours, [[tokenizer.end_of_text]] * 4, sampling))


def test_fault_11_a_hole_in_the_vocabulary_is_never_chosen_or_scored(tmp_path):
    """A hole between the tokens and an added one: ids 263 to 298 have rows, and no token."""
    model = theirs(vocab_size=300)
    with torch.no_grad():
        model.lm_head.weight[263:299] *= 30
    model.save_pretrained(tmp_path / "gpt2")
    write_tokenizer(tmp_path / "gpt2")
    (tmp_path / "gpt2" / "added_tokens.json").write_text('{"<|pad|>": 299}')
    import_gpt2(tmp_path / "gpt2", tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    ours, tokenizer = saved.model(), saved.tokenizer()
    assert tokenizer.absent == ours.config.absent == ((263, 298),)
    ids = torch.arange(20)[None]
    expected = model(ids).logits.index_fill(-1, torch.arange(263, 299), -torch.inf)
    torch.testing.assert_close(ours(ids), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        ours(ids, ids), torch.nn.functional.cross_entropy(expected[0], ids[0], reduction="none")[None]
    )
    for settings in (
        {"temperature": 0},
        {"temperature": 50},
        {"top_k": 290},
        {"top_p": 0.9, "repetition_penalty": 1.3},
    ):
        sampling = SamplingConfig(max_new_tokens=100, **settings)
        tokenizer.decode(token.id for token in generate(ours, [[tokenizer.end_of_text]] * 4, sampling))
    with pytest.raises(GlassError, match="id 270 and no token has it"):
        list(generate(ours, [[270]], SamplingConfig()))


def test_fault_13_a_model_whose_text_ends_with_another_token(folder, tmp_path):
    names = {("</s>" if name == "<|endoftext|>" else name): id for name, id in vocabulary().items()}
    (folder / "vocab.json").write_text(json.dumps(names), encoding="utf-8")
    assert read_gpt2(folder)[2].end_of_text is None
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    import_gpt2(folder, tmp_path / "run")
    tokenizer = checkpoint.load(tmp_path / "run").tokenizer()
    assert tokenizer.end == "</s>" and tokenizer.end_of_text == 262 and tokenizer.encode("</s>", True) == [262]


def test_fault_13_the_end_that_only_the_models_config_names(folder, tmp_path):
    """As a tokenizer's two files lie beside what `save_pretrained` of a model writes."""
    names = {("</s>" if name == "<|endoftext|>" else name): id for name, id in vocabulary().items()}
    (folder / "vocab.json").write_text(json.dumps(names), encoding="utf-8")
    theirs(eos_token_id=262, bos_token_id=262).save_pretrained(folder)
    import_gpt2(folder, tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    assert saved.tokenizer().end == "</s>"
    assert complete(saved.model(), saved.tokenizer(), ["", "hello"], SamplingConfig(max_new_tokens=3)) != ["", ""]


def test_fault_13_a_model_without_an_end_continues_what_it_is_given(folder, tmp_path):
    """Nothing is added to the vocabulary, for which the model would have no vector; only an empty prompt is refused."""
    names = {("odd" if name == "<|endoftext|>" else name): id for name, id in vocabulary().items()}
    (folder / "vocab.json").write_text(json.dumps(names), encoding="utf-8")
    theirs(eos_token_id=None, bos_token_id=None).save_pretrained(folder)
    import_gpt2(folder, tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    assert saved.tokenizer().end_of_text is None
    assert complete(saved.model(), saved.tokenizer(), ["hello"], SamplingConfig(max_new_tokens=3)) != [""]
    with pytest.raises(GlassError, match="prompt 0 is empty"):
        complete(saved.model(), saved.tokenizer(), [""], SamplingConfig(max_new_tokens=3))


def edit_config(**settings):
    def edit(folder: Path) -> None:
        tree = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(tree | settings))

    return edit


def edit_weights(change):
    def edit(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return edit


def write(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def remove(*names: str):
    return lambda folder: [(folder / name).unlink() for name in names]


def cut_short(name: str):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1000])


def replace_by_pytorch(content):
    def edit(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save(content, folder / "pytorch_model.bin")

    return edit


class Hostile:
    def __reduce__(self):
        return (print, ("this must not run",))


HUGE = struct.pack("<Q", 1 << 60) + b"{}"
INDEX = json.dumps({"weight_map": {"transformer.wte.weight": "../outside.safetensors"}}).encode()
KEY = "transformer.h.1.mlp.c_fc.weight"


@pytest.mark.parametrize(("spoil", "message"), [
    (remove("config.json"), "has no config.json"),
    (write("config.json", b"{"), "config.json cannot be read"),
    (write("config.json", b"[" * 100_000), "config.json cannot be read"),
    (write("config.json", b"\xff\xfe"), "config.json cannot be read"),
    (write("config.json", b"[1]"), "list"),
    (edit_config(model_type="llama"), 'model_type is "llama", but only "gpt2"'),
    (edit_config(activation_function="relu"), 'activation_function is "relu", but only "gelu_new"'),
    (edit_config(scale_attn_by_inverse_layer_idx=True), "scale_attn_by_inverse_layer_idx is true"),
    (edit_config(n_head=5), "n_embd=48 must be a multiple of n_head=5"),
    (edit_config(n_embd="wide"), "n_embd: .*integer"),
    (edit_config(n_layer=10**12), "1000000000000 layers"),
    (edit_config(vocab_size=10**12), r"wte.weight has shape \(263, 48\)"),
    (edit_config(vocab_size=100), "263 ids and a model of 100"),
    (edit_config(n_layer=2), "h.2.attn.c_attn.bias.*does not have"),
    (edit_config(n_layer=4), "no tensor h.3.ln_1.weight"),
    (edit_config(n_positions=64), "wpe.weight has shape"),
    (edit_config(n_inner=100), "c_fc.weight has shape"),
    (edit_config(tie_word_embeddings=False), "no tensor lm_head.weight"),
    (edit_weights(lambda state: state.pop(KEY)), "no tensor h.1.mlp.c_fc.weight"),
    (edit_weights(lambda state: state.update({KEY: state[KEY].t().contiguous()})), r"c_fc.weight has shape \(192, 48\)"),
    (edit_weights(lambda state: state.update(score=torch.zeros(2))), "has a tensor score"),
    (cut_short("model.safetensors"), "model.safetensors cannot be read"),
    (write("model.safetensors", b""), "model.safetensors cannot be read"),
    (write("model.safetensors", HUGE), "model.safetensors cannot be read"),
    (remove("model.safetensors"), "no model.safetensors and no pytorch_model.bin"),
    (lambda f: (remove("model.safetensors")(f), write("model.safetensors.index.json", INDEX)(f)), "weight_map"),
    (replace_by_pytorch({"transformer.wte.weight": Hostile()}), "pytorch_model.bin cannot be read"),
    (replace_by_pytorch([1, 2]), "other things than named tensors"),
    (replace_by_pytorch({"wte.weight": torch.zeros(1).expand(263, 48)}), "larger than its data"),
    (lambda f: (replace_by_pytorch({"a": torch.zeros(9999)})(f), cut_short("pytorch_model.bin")(f)), "cannot be read"),
    (lambda f: (remove("model.safetensors")(f), write("pytorch_model.bin", b"\x80\x02junk")(f)), "cannot be read"),
    (remove("merges.txt"), "merges.txt"),
    (write("vocab.json", b"{}"), "vocab.json"),
    (write("merges.txt", b"\xff"), "merges.txt"),
    (lambda f: (remove("vocab.json")(f), write("tokenizer.json", b"{}")(f)), "tokenizer.json: this is not a tokenizer"),
])  # fmt: skip
def test_a_wrong_folder_is_refused_in_a_sentence(folder, spoil, message, capsys):
    spoil(folder)
    with pytest.raises(GlassError, match=message) as caught:
        read_gpt2(folder)
    assert isinstance(caught.value, CheckpointError | TokenizerError)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value) and ";" in str(caught.value)
    assert "must not run" not in capsys.readouterr().out


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere is not a folder"):
        read_gpt2(tmp_path / "nowhere")


@pytest.mark.slow
def test_the_124m_shape_equals_transformers(tmp_path):
    model = theirs(vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.3)
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    with torch.no_grad():
        ids = torch.randint(50257, (1, 256), generator=torch.Generator().manual_seed(1))
        expected = model(ids).logits
        assert (ours(tmp_path)(ids) - expected).abs().max() < 1e-4 * expected.std()


# an import is a run


def test_fault_09_an_import_never_replaces_a_run(folder, tmp_path, glass):
    code, out, err = glass("import", folder, "--name", "g")
    assert code == 0 and "runs/g/checkpoints/00000000" in out, err
    before = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    theirs(seed=1).save_pretrained(tmp_path / "other")
    write_tokenizer(tmp_path / "other")
    for words in (["import", tmp_path / "other"], ["train", "village"]):
        code, _, err = glass(*words, "--name", "g")
        assert code == 2 and "runs/g already holds a run" in err
    assert {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()} == before
    (tmp_path / "runs/h/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/h/checkpoints/mine.txt").touch()
    code, _, err = glass("import", folder, "--name", "h")
    assert code == 2 and "runs/h already has files in it" in err
    code, out, _ = glass("import", folder)
    assert code == 0 and "runs/gpt2/" in out and glass("import", folder)[0] == 0 and (tmp_path / "runs/gpt2-2").is_dir()


def test_fault_09_every_verb_works_on_an_import_or_says_why_not(folder, tmp_path, glass):
    (tmp_path / "my_book.txt").write_text("".join(f"The {i}th goat sat on wall {i * i}. " for i in range(200)))
    assert glass("import", folder, "--name", "g")[0] == 0
    assert glass("generate", "runs/g", "hello", "-s", "max_new_tokens=3")[0] == 0
    assert glass("report", "runs/g")[0] == 0 and "gpt2" in (tmp_path / "runs/g/report.html").read_text(encoding="utf-8")
    code, out, _ = glass("settings", "runs/g")
    assert code == 0 and "model.vocab_size = 263" in out and "model.n_embd = 48" in out
    code, out, err = glass("plan", "runs/g", "--hardware", "h100", "--json")
    assert code == 0 and json.loads(out)["recipe"]["model"]["n_embd"] == 48, err
    code, out, _ = glass("runs")
    assert code == 0 and out.splitlines()[1].split()[0] == "g" and "imported" in out
    for verb, sentence in (("eval", "has no text of its own; name one"), ("resume", "no training that could go on")):
        code, _, err = glass(verb, "runs/g")
        assert code == 2 and sentence in " ".join(err.split()) and "Traceback" not in err
    code, out, err = glass("eval", "runs/g", "my_book.txt")
    assert code == 0 and "5-gram" in out and "untrained" in out, err
    assert "score" not in (tmp_path / "runs/g/metrics.jsonl").read_text()


def test_fault_10_an_import_that_fails_halfway_leaves_nothing(folder, tmp_path, glass, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights_file, "save_file", full)
    code, _, err = glass("import", folder, "--name", "g")
    assert code == 2 and "No space left" in err and not (tmp_path / "runs").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (folder / "model.safetensors").write_bytes(b"{")
    code, _, err = glass("import", folder, "--name", "g")
    assert code == 2 and not (tmp_path / "runs").exists()
