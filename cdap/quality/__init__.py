"""Great Expectations suites of the project, what they are run on, and what came of them."""

from cdap.quality.suites import Suite, load_suites

__all__ = ["Suite", "load_suites"]
