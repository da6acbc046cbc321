"""Codes, claims, rewards and the ledger of them: pure functions of what happened."""
