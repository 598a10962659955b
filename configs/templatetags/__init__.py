"""Template tags of the steering screens."""
