"""Training: one loop for every stage. Data, a loss and a (wrapped) model go in; a run folder comes out.

Read `trainer` first: the loop. `config` has its settings; `loss/`, `optimizer/` and `schedule/` are slots. `precision`
chooses the number format, `evaluate` measures on held-out text, `budget` ends a training on time, `doctor/` says what is
wrong with a training, `signals` saves before Ctrl-C stops it, `ranks` lets several processes take part, `vectors` starts
embeddings from trained word vectors, `terminal` shows the progress.
"""
