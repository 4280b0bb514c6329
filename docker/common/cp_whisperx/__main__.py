"""`python -m cp_whisperx`: the commands for jobs, in any image."""

from cp_whisperx.cli import main

main(None)
