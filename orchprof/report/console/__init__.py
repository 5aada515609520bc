"""Renderers for a terminal, one file per command, and the parts that they share."""
