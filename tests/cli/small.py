"""The settings of a model that trains in a second."""

SMALL = [
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.1", "corpus.workers=1", "tokenizer.vocab_size=400",
    "model.n_layer=1", "model.n_embd=32", "model.n_head=2", "model.context_length=32", "train.steps=4",
    "train.micro_batch_size=2", "train.precision=fp32", "train.eval_tokens=256", "train.eval_every=2",
    "train.sample_every=2", "train.learning_rate=0.03", "sample.max_new_tokens=8",
    "model.embed=token", "model.head=tied", "train.sampler=windows",
]  # fmt: skip
