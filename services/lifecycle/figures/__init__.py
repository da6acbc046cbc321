"""Figures of the customer life cycle: what each is, and how it is computed from stored history."""
