"""Suites that others wrote for the real services, run against the local cloud (docs/guides/conformance.md)."""
