"""Operators: one class a module, named for what it does."""
