"""The run directory: what a run is, how it is sealed, and the machine it was measured on."""
