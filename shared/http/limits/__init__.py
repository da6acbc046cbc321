"""What a request may cost, before and while it is read."""
