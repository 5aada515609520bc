"""The wires: each vendor's protocol in one module, from and to the chat messages and deltas that a script knows."""
