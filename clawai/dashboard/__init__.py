"""The first page of the admin: how the house is doing."""
