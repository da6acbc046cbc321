"""The state machine: pure, order-independent, explained. No I/O, no clock, no randomness."""
