"""`glass import`: weights of others. (`import` itself is a word of Python, so the module's name has a line under it.)"""

from pathlib import Path
from typing import Annotated

from glassformer.cli.arguments import Name, argument
from glassformer.cli.terminal import say


def import_weights(
    folder: Annotated[Path, argument("A folder in Hugging Face GPT-2 layout.")], name: Name = None
) -> None:
    """Bring GPT-2 weights and their tokenizer in."""
    from glassformer.export.huggingface import import_gpt2
    from glassformer.runs.run import check_free, new_run

    target = new_run(name, folder.resolve().name)
    check_free(target)
    saved = import_gpt2(folder, target)
    say(f'saved as {saved}; try: glass generate {target} "Once upon a time"')
