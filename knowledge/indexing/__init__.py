"""The worker's work on documents: leased jobs, passages and their terms, generations."""
