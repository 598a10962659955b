"""Adapters to models; this is the only place that speaks to them."""
