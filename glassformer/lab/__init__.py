"""The laboratory: what a person asks before and after training.

Each folder is one question; its `terminal.py` prints the answer and its `page.py` draws it.
"""
