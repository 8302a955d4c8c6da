"""Verbs of the command line beside those of `cli.py`, which registers them: those of the laboratory and `glass data`."""
