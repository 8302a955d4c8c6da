"""Conversations: the mask marks what the assistant says, and no text can speak in another's name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import SettingError, TokenizerError
from glassformer.tokenizers import ChatTemplate, Tokenizer, TokenizerRecipe
from glassformer.tokenizers._chat import ROLES

from .examples import TRICKY, kinds, small

MARKS = [*ChatTemplate().names(), "<|endoftext|>", "<|reserved_0|>", "<|", "|>", "user", "\n", " "]
FORGED = st.lists(st.one_of(st.sampled_from(MARKS), st.sampled_from(TRICKY), st.text(max_size=5)), max_size=6).map(
    "".join
)
MESSAGES = st.lists(
    st.builds(lambda role, said: {"role": role, "content": said}, st.sampled_from(ROLES), FORGED), max_size=5
)

bpe = small("bpe").with_chat()


@given(messages=MESSAGES)
def test_only_the_template_makes_roles(messages):
    ids, mask = bpe.render(messages)
    ours = [id for id in ids if id in bpe.special.values()]
    opened = {role: bpe.special[getattr(bpe.chat, role)] for role in ROLES}
    expected = [bpe.end_of_text]
    for message in messages:
        expected += [opened[message["role"]], bpe.special["<|end|>"]]
    assert ours == expected and len(mask) == len(ids)


@given(messages=MESSAGES)
def test_the_mask_marks_what_the_assistant_says_and_its_end(messages):
    ids, mask = bpe.render(messages)
    said = [message["content"] + "<|end|>" for message in messages if message["role"] == "assistant"]
    assert bpe.decode([id for id, learnt in zip(ids, mask) if learnt]) == bpe.decode(bpe.encode("".join(said)))
    turns = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages)
    assert bpe.decode(ids) == "<|endoftext|>" + bpe.decode(bpe.encode(turns))


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_converses_and_keeps_its_template(kind, tmp_path):
    template = ChatTemplate(user="<|im_user|>", end="<|im_end|>")
    tokenizer = small(kind).with_chat(template)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": " b"}]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.from_json((tmp_path / "tokenizer.json").read_text("utf-8"))
    assert again.chat == template and again.fingerprint() == tokenizer.fingerprint() != small(kind).fingerprint()
    assert again.render(messages) == tokenizer.render(messages)
    assert tokenizer.token_bytes[: small(kind).vocab_size] == small(kind).token_bytes


def test_roles_take_the_ids_kept_free_first():
    before = TokenizerRecipe.named("byte", reserved=3).train([])
    after = before.with_chat()
    assert after.special == {
        "<|endoftext|>": 256, "<|system|>": 257, "<|user|>": 258, "<|assistant|>": 259, "<|end|>": 260
    }  # fmt: skip
    assert TokenizerRecipe.named("byte", reserved=9).train([]).with_chat().vocab_size == 256 + 10


def test_a_tokenizer_trained_with_the_four_tokens_has_a_template():
    tokenizer = TokenizerRecipe.named("byte", special=list(ChatTemplate().names())).train([])
    assert tokenizer.chat == ChatTemplate()
    assert Tokenizer.from_json(tokenizer.to_json()).fingerprint() == tokenizer.fingerprint()


BAD = {
    "another role": {"role": "robot", "content": "x"},
    "a capital": {"role": "User", "content": "x"},
    "an attribute": {"role": "end", "content": "x"},
    "a role of another type": {"role": ["user"], "content": "x"},
    "no content": {"role": "user"},
    "content that is no text": {"role": "user", "content": 5},
    "a key too many": {"role": "user", "content": "x", "mask": True},
    "no message": "user: x",
}


@pytest.mark.parametrize("message", BAD.values(), ids=BAD)
def test_bad_messages_are_named(message):
    with pytest.raises(TokenizerError, match="message 2"):
        bpe.render([{"role": "user", "content": "fine"}, message])


def test_without_a_template_the_remedy_is_named():
    with pytest.raises(TokenizerError, match="with_chat"):
        small("char").render([])


@pytest.mark.parametrize(
    "chat", [5, [], {"user": 5}, {"usr": "<|x|>"}, {"end": "<|nowhere|>"}, {"end": "<|user|>"}], ids=str
)
def test_hostile_templates_are_refused(chat):
    tree = json.loads(bpe.to_json()) | {"chat": chat}
    with pytest.raises(TokenizerError):
        Tokenizer.from_json(json.dumps(tree))


def test_templates_must_differ():
    with pytest.raises(SettingError, match="differ"):
        ChatTemplate.parse({"user": "<|end|>"})


def test_a_reserved_id_that_ends_documents_is_not_taken():
    tokenizer = TokenizerRecipe.named("byte", reserved=1).train([]).with_end("<|reserved_0|>").with_chat()
    assert tokenizer.special["<|reserved_0|>"] == tokenizer.end_of_text
