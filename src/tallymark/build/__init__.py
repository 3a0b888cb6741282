"""From accepted events to sessions, orders, attribution and metrics that reconcile."""
