"""Tags of the screens of people and roles."""
