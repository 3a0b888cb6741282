"""Simulated shops, kinds of incident, and how the watch and others do on them."""
