"""Numbers with intervals, charts, and the one page that says what they mean."""
