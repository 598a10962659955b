"""Files become one canonical text and its blocks, in a limited process of its own."""
