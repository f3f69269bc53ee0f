"""Trading wired to its inputs: a dataset, or the ticks in Kafka; one process, or one a service."""
