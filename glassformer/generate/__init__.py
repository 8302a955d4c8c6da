"""Generation: from scores for the next token to text.

`sampling` turns a row of scores into one token, stage by stage; `decode` runs the model, one token per row and step,
ids in and ids out; `text` puts a tokenizer around it.

>>> for piece in stream(model, tokenizer, "Once upon a time", SamplingConfig(temperature=0.8)): print(piece, end="")
"""
