#!/usr/bin/env bash
# Several machines that reach each other, without a queue: type the same line on each. docs/ladder.md says what to do.
#
#     NODES=2 FIRST=node1:29500 launch/many_nodes.sh train my_texts -r gpt2 --name big parallel.shard=true parallel.replicate=2
#
# NODES       how many machines
# FIRST       a name and a free port of one of them, where all meet
# PROCESSES   on each machine; without it, as many as it has GPUs
# RESTARTS    how often all are started again if one ends (3)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${NODES:?say how many machines there are, as in NODES=2}" "${FIRST:?say where all meet, as in FIRST=node1:29500}"
exec "${TORCHRUN:-$here/.venv/bin/torchrun}" --nnodes "$NODES" --nproc-per-node "${PROCESSES:-auto}" \
    --rdzv-backend c10d --rdzv-endpoint "$FIRST" --max-restarts "${RESTARTS:-3}" -m glassformer "$@"
