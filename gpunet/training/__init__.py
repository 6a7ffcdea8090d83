"""The training loop and what goes with it: state, evaluation, callbacks, history, progress."""
