#!/usr/bin/env bash
# A rented machine that may vanish at any moment: run this when it starts, each time. docs/ladder.md says what to do.
#
#     launch/spot.sh big my_texts -r gpt2 parallel.shard=true train.checkpoint_every=100 train.async_checkpoint=true
#
# The first word is the name of the run, the rest is what `glass train` takes. The working folder must lie on a disk that
# outlives the machine: the first start begins runs/NAME, and every later one goes on with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?say the name of the run}
shift
if [ -e "runs/$name/run.json" ]; then
    exec "$here/one_node.sh" resume "runs/$name"
fi
exec "$here/one_node.sh" train "$@" --name "$name"
