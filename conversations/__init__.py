"""Conversations: questions, and the replies that are written to them."""
