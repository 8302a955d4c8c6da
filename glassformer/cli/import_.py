"""`glass import`: weights of other tools. (`import` is a keyword of Python, so the module's name ends in `_`.)"""

from pathlib import Path
from typing import Annotated

from glassformer.cli.arguments import Name, argument
from glassformer.cli.terminal import say, suggest, typed


def import_weights(
    folder: Annotated[
        Path,
        argument(
            "A folder in Hugging Face's layout of GPT-2: config.json, model.safetensors, vocab.json, merges.txt.",
            metavar="FOLDER",
        ),
    ],
    name: Name = None,
) -> None:
    """Bring in GPT-2's weights and tokenizer from a Hugging Face folder.

    They become a run of their own, which writes, can be measured on any text
    and has a report. It never replaces another run.
    """
    from glassformer.export.huggingface import read_gpt2
    from glassformer.recipes.adopt import adopt
    from glassformer.runs.run import new_run

    with new_run(name, folder.resolve().name) as target:
        config, weights, tokenizer = read_gpt2(folder)
        say(f"wrote {adopt(target, config, weights, tokenizer, folder)}")
    suggest(
        (typed("generate", target, "Once upon a time"), "let the model continue a text"),
        (typed("eval", target, "my_book.txt"), "measure it on a text"),
    )
