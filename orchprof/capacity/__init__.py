"""Capacity: what tasks ask of a system, what happens under load, and which machines hold it."""
