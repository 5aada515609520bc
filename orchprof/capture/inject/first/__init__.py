"""The folder that `orchprof record` puts first on PYTHONPATH; nothing else may lie in it."""
