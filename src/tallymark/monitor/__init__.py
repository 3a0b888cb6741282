"""The watch: compares each day with what was known before it, and says what is wrong and why."""
