"""The exit codes."""

FAILED, BAD_INPUT = 1, 2
INTERRUPTED, TERMINATED = 130, 143  # by Ctrl-C and by SIGTERM, as shells have it
