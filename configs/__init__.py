"""Settings, model endpoints and prompts, with their history, and the adapters of models."""
