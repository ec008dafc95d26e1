"""What exists, kept in one SQLite database per root. Read database.py first."""
