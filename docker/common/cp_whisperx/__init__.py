"""What all stages share: the job contract, the stage runner, the worker and the command line."""
