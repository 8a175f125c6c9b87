"""A small bookshop: its stock in PostgreSQL, answers remembered in Redis."""
