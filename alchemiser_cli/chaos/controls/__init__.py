"""Controls that experiments may name: modules whose functions are called around their parts."""
