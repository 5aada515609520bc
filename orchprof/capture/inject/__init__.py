"""Injection: how a program that knows nothing of orchprof is recorded from its first line on."""
