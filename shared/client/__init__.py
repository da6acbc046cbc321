"""The typed clients of the four services, synchronous and asynchronous: docs/client.md shows how they are used."""
