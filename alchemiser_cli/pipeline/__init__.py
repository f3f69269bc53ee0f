"""The one place where the siblings meet: market data with streaming, training with the bus."""
