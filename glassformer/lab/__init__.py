"""The laboratory: the questions that a person asks before and after training.

Each folder is one question. Its `terminal.py` prints the answer, its `page.py` draws it, and neither computes it.
"""
