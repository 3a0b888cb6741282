"""The gate: judging deliveries against contract and rules, and keeping out what is broken."""
