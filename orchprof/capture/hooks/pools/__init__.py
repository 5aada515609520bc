"""Pools of threads and of processes: a job is a strand from its submission to its result."""
