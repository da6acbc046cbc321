"""Win-back cases and their offers: pure, independent of the order of arrival. No I/O, no clock, no randomness."""
