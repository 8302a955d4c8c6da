"""Make a run the model of its name that comes with the package (glassformer/runs/shipped.py):

    python bench/ship.py runs/village-mini --snapshots 0 128 500 1000 2000
"""

import argparse
from pathlib import Path

from glassformer.runs.pack import pack

if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=Path, help="the folder of the run")
    words.add_argument("--snapshots", type=int, nargs="*", default=[], metavar="STEP", help="steps to ship snapshots of")
    words.add_argument("--repeated", type=Path, metavar="RUN", help="a repetition of the run, which kept more steps")
    given = words.parse_args()
    print(pack(given.run, given.snapshots, given.repeated))
