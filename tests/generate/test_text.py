"""Text around decoding: whole characters, no trace of a stop text, whatever the borders between tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.errors import GlassError
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import Writer, complete, stream, write
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.tokenizers import TokenizerRecipe

TOKENIZER = TokenizerRecipe.named("byte").train([])


def a_model(**shapes) -> GPT:
    config = dict(vocab_size=TOKENIZER.vocab_size, context_length=64, n_layer=1, n_head=2, n_embd=32) | shapes
    return GPT(GPTConfig(**config), seed=1)


class Saying(torch.nn.Module):
    """A head that makes the model say `text` and then end, whatever it reads: a row's k-th token is the text's k-th."""

    def __init__(self, text: str):
        super().__init__()
        self.ids = [*TOKENIZER.encode(text), TOKENIZER.end_of_text]
        self.step = 0

    def forward(self, x, embedding):
        logits = torch.full((*x.shape[:-1], TOKENIZER.vocab_size), -9.0)
        logits[..., self.ids[self.step]] = 9.0
        self.step += 1
        return logits


def saying(text: str) -> GPT:
    model = a_model()
    model.head = Saying(text)
    return model


def test_a_text_comes_whole_and_ends_with_its_document():
    pieces = list(write(saying("Grüße, 🦊!"), TOKENIZER, ["hi"], SamplingConfig(temperature=0)))
    assert "".join(piece.text for piece in pieces) == "Grüße, 🦊!"
    assert all("\ufffd" not in piece.text for piece in pieces)
    assert pieces[-1].finish == "end" and "endoftext" not in pieces[-1].text


@pytest.mark.parametrize(("said", "stop", "expected", "finish"), [
    ("one END two", ("END",), "one ", "stop"),
    ("one EN two", ("END",), "one EN two", "end"),
    ("one EN", ("END",), "one EN", "end"),
    ("EEND", ("END",), "E", "stop"),
    ("aabaabaac", ("aabaac",), "aab", "stop"),
    ("x🦊y", ("🦊",), "x", "stop"),
    ("xé 🦊y", ("🦉",), "xé 🦊y", "end"),
    ("abc", ("abc", "b"), "a", "stop"),
    ("END", ("END",), "", "stop"),
])  # fmt: skip
def test_stop_texts_across_tokens(said, stop, expected, finish):
    config = SamplingConfig(temperature=0, stop=stop)
    pieces = list(write(saying(said), TOKENIZER, [""], config))
    assert "".join(piece.text for piece in pieces) == expected
    assert pieces[-1].finish == finish


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("ab🦊", max_size=25),
    stop=st.lists(st.text("ab🦊", min_size=1, max_size=5), max_size=3),
    cuts=st.sets(st.integers(0, 60)),
)
def test_writing_does_not_depend_on_the_borders_between_tokens(text, stop, cuts):
    ends = sorted((text.find(s) + len(s), text.find(s)) for s in stop if s in text)
    expected = text[: ends[0][1]] if ends else text
    writer, out = Writer(TOKENIZER, stop), ""
    for i, byte in enumerate(text.encode()):
        if writer.push(byte):
            break
        if i in cuts:
            out += writer.take()
            assert expected.startswith(out), "something was shown that should have been held back"
    assert out + writer.close() == expected


def test_half_a_character_at_the_end_is_shown_as_such():
    pieces = list(write(saying("a🦊"), TOKENIZER, [""], SamplingConfig(temperature=0, max_new_tokens=3)))
    assert "".join(piece.text for piece in pieces) == "a\ufffd" and pieces[-1].finish == "length"


def test_together_equals_one_by_one_and_streamed():
    model = a_model()
    prompts = ["Once upon", "", "The fox"]
    config = SamplingConfig(max_new_tokens=90, seed=4, stop=("q",))
    together = complete(model, TOKENIZER, prompts, config)
    for i, prompt in enumerate(prompts):
        assert together[i] == "".join(stream(model, TOKENIZER, prompt, config.override(f"seed={4 + i}")))
    assert complete(model, TOKENIZER, [], config) == []


def test_the_model_reads_the_start_of_a_document_and_then_the_prompt():
    model, read = a_model(), []
    model.embed.register_forward_hook(lambda _, inputs, __: read.append(inputs[0].tolist()))
    complete(model, TOKENIZER, ["<|endoftext|>"], SamplingConfig(max_new_tokens=1))
    assert read == [[[TOKENIZER.end_of_text, *b"<|endoftext|>"]]]


def test_a_prompt_longer_than_the_context_is_refused():
    with pytest.raises(GlassError, match="keep its last 64"):
        complete(a_model(), TOKENIZER, ["x" * 64], SamplingConfig())
