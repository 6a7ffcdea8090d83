"""Programs in plain NumPy: where nothing else is installed, and for the start of a run."""
