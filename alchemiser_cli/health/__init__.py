"""What the running system looks like now: its status, its report, and the watch over it."""
