"""What a thread waits for, told from outside: system calls, descriptors and who is at their other end, the GIL."""
