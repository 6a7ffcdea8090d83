"""Programs in plain NumPy, for whoever has nothing else installed, and for the start of a run."""
