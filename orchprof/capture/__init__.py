"""Capture: what runs inside the profiled process. Standard library only, so that importing it costs nothing."""
