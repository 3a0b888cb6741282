"""One small protocol over a query engine, its embedded form, and the warehouse on disk."""
