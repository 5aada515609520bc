"""The run directory: what a run is, how it is finalized, and the machine it was measured on."""
