"""Glassformer: a GPT you can see through.

The whole life of a language model (text, tokens, batches, transformer, training, inference), written from first
principles in code a person can read in an evening. Importing the package imports nothing else: each part is
reached by its own path, `glassformer.model`, `glassformer.train`, ...
"""

__version__ = "0.1.0"
