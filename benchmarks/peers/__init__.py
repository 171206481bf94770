"""What runs in an environment of its own, beside the locked one: other tools, and lists of names of other countries."""
