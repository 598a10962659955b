"""People, their roles, and the doors they come in by."""
