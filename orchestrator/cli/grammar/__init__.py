"""The grammar of the command line: every command with its arguments. What they do is in the modules above."""
