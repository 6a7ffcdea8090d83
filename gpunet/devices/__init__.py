"""Array libraries and their devices: what a backend is, how backends are found, where arrays are."""
