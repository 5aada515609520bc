"""The verdict: does CPU-side orchestration take 50-90 % of latency, by which definition, and what moves it."""
