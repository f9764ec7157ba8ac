"""Where a review is kept: SQLite beside the data set, or PostgreSQL."""
