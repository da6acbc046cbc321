"""Typed clients of the four services, synchronous and asynchronous; see docs/client.md."""
