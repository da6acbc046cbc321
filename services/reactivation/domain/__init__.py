"""Win-back cases and their offers: pure, whatever the order in which events arrive."""
