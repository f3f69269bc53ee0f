"""TD3 with a transformer: Stable-Baselines3's algorithm around one encoder that is shared."""
