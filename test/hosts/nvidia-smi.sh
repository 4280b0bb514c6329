#!/bin/sh
# Stands in for NVIDIA's program on a machine with two cards, as far as host/preflight.sh asks it.
case "$*" in
  *--query-gpu=index,uuid,driver_version,memory.total*)
    echo '0, GPU-11111111-2222-3333-4444-555555555555, 550.54.15, 24564'
    echo '1, GPU-66666666-7777-8888-9999-000000000000, 550.54.15, 24564'
    ;;
  *) echo "nvidia-smi: this stand-in knows nothing of $*" >&2; exit 1 ;;
esac
