"""`python -m glassformer VERB ...` is the command `glass VERB ...`."""

from glassformer.cli import main

main()
