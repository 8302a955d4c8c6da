#!/usr/bin/env bash
# One machine, one process for each of its GPUs (on a CPU: for each core). docs/ladder.md says what to do.
#
#     launch/one_node.sh train my_texts -r gpt2 --name big parallel.shard=true
#
# PROCESSES   how many; without it, as many as there are GPUs
# RESTARTS    how often all are started again if one ends (3)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "${TORCHRUN:-$here/.venv/bin/torchrun}" --standalone --nproc-per-node "${PROCESSES:-auto}" \
    --max-restarts "${RESTARTS:-3}" -m glassformer "$@"
