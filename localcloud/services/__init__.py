"""AWS services of our own, one folder each, all of one shape."""
