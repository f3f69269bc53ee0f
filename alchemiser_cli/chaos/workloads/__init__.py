"""Work that goes on while something is broken, and what keeps it safe."""
