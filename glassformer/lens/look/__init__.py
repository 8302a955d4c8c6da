"""`glass look`: a model reads a text, and everything that `lens` can ask about that pass is shown at once.

`glance` gathers what fits a terminal: the loss of each token, the strongest heads, the logit lens and the distribution
of the next token. `gather` adds what a page has room for: every head, attribution, why a number is this number, and the
same at earlier steps of the training (`moments`). `terminal` prints, `page` draws; the numbers on both are those of the
tensors.
"""
