"""Breaking things on purpose: leases of faults, experiments, and verdicts."""
