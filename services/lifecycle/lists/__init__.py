"""Customers by the page, by the id and as a file."""
