"""A fake GLM over HTTP: speaks the v4 protocol and OpenAI's, and fails on demand."""
