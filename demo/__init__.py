"""The demo enterprise: customers with ground truth, and the systems that hold them."""
