"""A model that was not trained here as a run: with settings, facts, a checkpoint at step 0 and a report, as any other."""

import shlex
import sys
from datetime import datetime
from pathlib import Path

import torch
from torch import Tensor

import glassformer
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.parameters import parameters
from glassformer.recipes.build import with_tokenizer
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.report import write_report
from glassformer.runs.run import Run, check_free
from glassformer.runs.writing import contents, save
from glassformer.system.folders import all_or_nothing
from glassformer.system.lock import locked
from glassformer.system.machine import git_commit, machine_facts
from glassformer.tokenizers import Tokenizer


def adopt(folder: Path, config: GPTConfig, weights: dict[str, Tensor], tokenizer: Tokenizer, origin: Path) -> Path:
    """Make a run of a model that came from `origin`, in a folder that is whole or not there; returns its checkpoint.

    `weights` are by our names. The recipe tells the model and the tokenizer; its other settings are the defaults. Raises
    SettingError for a folder that is taken, GlassError if it cannot be written.
    """
    with torch.device("meta"):
        model = GPT(config)
    model.load_state_dict(weights, assign=True)
    recipe = with_tokenizer(Recipe().model_copy(update={"model": config}), tokenizer)
    argv = sys.argv[1:]
    facts = {
        "command": shlex.join(["glass", *argv]), "argv": argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"), "glassformer": glassformer.__version__,
        "git": git_commit(), "torch": torch.__version__, "machine": machine_facts(), "parameters": parameters(model),
        "imported": str(origin),
    }  # fmt: skip
    state = {"step": 0, "tokens": 0, "seconds": 0.0, "precision": "fp32"}
    with locked(folder):
        check_free(folder)
        with all_or_nothing(folder) as growing:
            run = Run.create(growing, recipe.to_json(), facts)
            save(growing / "checkpoints", contents(model, None, state), recipe.to_json(), tokenizer)
            run.log("event", 0, what="import", detail=str(origin))
    write_report(folder)
    return checkpoint.load(folder).folder
