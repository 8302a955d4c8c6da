"""python bench/ship.py RUN: make a run the model of its name that comes with the package (glassformer/runs/shipped.py)."""

import sys
from pathlib import Path

from glassformer.runs.pack import pack

if __name__ == "__main__":
    print(pack(Path(sys.argv[1])))
