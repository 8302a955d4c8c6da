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
    """Bring in GPT-2's weights and tokenizer from a Hugging Face folder."""
    from glassformer.export.huggingface import import_gpt2
    from glassformer.runs.run import check_free, new_run

    target = new_run(name, folder.resolve().name)
    check_free(target)
    say(f"wrote {import_gpt2(folder, target)}")
    suggest((typed("generate", target, "Once upon a time"), "let the model continue a text"))
