"""The event simulation: tasks as compiled work on cores, interpreters, workers, queues and batch replicas."""
