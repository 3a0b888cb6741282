"""What Prometheus scrapes, the alerts on it, and the dashboard that shows it."""
