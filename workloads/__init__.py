"""Agents at real work, a folder each: task, tools, data, variants. Installed as `orchprof_workloads`."""
