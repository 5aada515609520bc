"""One task as a graph: its strands, the segments that tile them, who waits for whom, and the critical path."""
