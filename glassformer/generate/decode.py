"""Decode: let the model write. Ids in, ids out; `text.py` puts a tokenizer around it.

    prefill    read the prompts once, all positions in parallel; the cache remembers them
    decode     read the one token that was chosen last, and score the next; again and again

A decode step costs one token's work per row, however long the text is. `generate` is the simplest client of the engine
(`engine.py`, which has the loop): all prompts begin at once, with the same settings.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from glassformer.generate.engine import Engine, Token, evaluation
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPT


def generate(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    end_ids: Collection[int] = (),
    stopped: Callable[[int, int], bool] | None = None,
) -> Iterator[Token]:
    """Continue every prompt. Yields one token of each unfinished row, then the next of each, and so on.

    Row i samples with the seed `config.seed + i`. An id of `end_ids` is yielded and ends its row. `stopped(row, id)` is
    asked once about every other token, before it is yielded. The model is in evaluation mode until the iterator is
    exhausted or closed. Raises GlassError for a prompt that is empty, longer than the context, or has ids that the
    model does not know, and for scores that are NaN.

    >>> [token.id for token in generate(model, [[0, 7, 4]], SamplingConfig(max_new_tokens=3))]
    [9, 2, 5]
    """
    if not prompts:
        return
    longest = max(map(len, prompts)) + config.max_new_tokens
    engine = Engine(model, len(prompts), min(longest, model.config.context_length), config.max_new_tokens)
    for row, prompt in enumerate(prompts):
        own = config.model_copy(update={"seed": config.seed + row})
        engine.add(prompt, own, end_ids, None if stopped is None else partial(stopped, row))
    with evaluation(model):
        while engine.busy:
            yield from engine.step()
