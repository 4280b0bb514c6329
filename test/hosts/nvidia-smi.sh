#!/bin/sh
# Double of nvidia-smi on a machine with two GPUs, for the queries of host/preflight.sh.
case "$*" in
  *--query-gpu=index,uuid,driver_version,memory.total*)
    echo '0, GPU-11111111-2222-3333-4444-555555555555, 550.54.15, 24564'
    echo '1, GPU-66666666-7777-8888-9999-000000000000, 550.54.15, 24564'
    ;;
  *) echo "nvidia-smi: this double does not support $*" >&2; exit 1 ;;
esac
