"""A question about tiny models, and how to ask one."""

from pathlib import Path

from glassformer.lab import compare
from glassformer.lab.compare.design import Question
from glassformer.recipes.presets import mini

SMALL = (
    "model.embed=token", "model.head=tied", "train.sampler=windows",
    "corpus.megabytes=0.1", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=320",
    "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=16", "train.steps=6",
    "train.micro_batch_size=4", "train.precision=fp32", "train.eval_tokens=128",
)  # fmt: skip
QUESTION = Question(None, "mini", SMALL, ("model.mlp=gelu", "model.position=learned"), 2, "steps", None, False)


def ask(question: Question, name: str, said: list[str] | None = None):
    say = (lambda line: None) if said is None else said.append
    return compare.compare(question, mini(), Path("runs") / name, say=say, progress=lambda *told: None)
