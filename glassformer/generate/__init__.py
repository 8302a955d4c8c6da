"""Generation: from scores for the next token to text.

`sampling` turns a row of scores into one token, stage by stage. `engine` runs the model: requests join and leave at any
time, and each step gives every running one a token. `decode` continues some prompts with it, ids in and ids out, and
`text` puts a tokenizer around that.

>>> for piece in stream(model, tokenizer, "Once upon a time", SamplingConfig(temperature=0.8)): print(piece, end="")
"""
