"""How large a page is, and how long it takes. Without training: size and time do not depend on what the weights are."""

import time

import pytest

from glassformer.corpora.village.story import tell
from glassformer.generate.sampling import SamplingConfig
from glassformer.lens.look.gather import gather
from glassformer.lens.look.page import write_page
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import named

from ..conftest import shipped


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "vocab_size", "megabytes", "seconds", "said"),
    [("mini", 2048, 2, 5, ["also copies"]), ("gpt2", 50257, 10, 120, ["last 8 places"])],
)
def test_64_tokens_fit_and_are_soon_there(tmp_path, recipe, vocab_size, megabytes, seconds, said):
    tokenizer = shipped()[1]
    text = tokenizer.decode(tokenizer.encode(tell(0, "validation", 0).text)[:63])
    gpt = GPT(named(recipe).model.model_copy(update={"vocab_size": vocab_size})).eval()
    began = time.process_time()
    look = gather(gpt, tokenizer, text, SamplingConfig(temperature=0.8))
    page = write_page(look, recipe, "./glass look", tmp_path / "look.html")
    took = time.process_time() - began  # of all threads: others may work on this machine too
    assert look.glance.T == 64 and page.stat().st_size <= megabytes * 1e6 and took <= seconds
    assert all(any(word in sentence for sentence in look.left_out) for word in said) and bool(said) == bool(look.left_out)
