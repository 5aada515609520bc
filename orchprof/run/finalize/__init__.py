"""Finalizing: the event logs of a run become its tables. Pure functions of the logs' frames."""
