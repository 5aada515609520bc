"""Child processes: how each make of child is started, signalled and reaped."""
