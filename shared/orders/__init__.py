"""What an order is after everything known of it: pure, and the same for every service."""
