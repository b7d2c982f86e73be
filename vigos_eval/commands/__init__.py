"""One module per `vigos-eval` command: `add_arguments(parser)` and `run(args) -> exit code`."""
