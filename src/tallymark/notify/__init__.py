"""Telling people: messages, an outbox that survives a crash, and the services that carry them."""
