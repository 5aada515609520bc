"""Watching from outside the profiled processes what they cannot see of themselves."""
