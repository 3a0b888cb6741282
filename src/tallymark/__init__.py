"""Trusted morning numbers from raw shop events."""
