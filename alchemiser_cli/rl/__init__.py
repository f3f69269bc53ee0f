"""Training: the options environment, TD3 with a transformer, evaluation and model artefacts."""
