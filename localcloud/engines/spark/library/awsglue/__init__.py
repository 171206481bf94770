"""The part of AWS Glue's Python library that scripts use, on plain Spark.

Amazon's own library needs the Java library of its service. Names, arguments and defaults are those of "PySpark
extensions reference" in the AWS Glue Developer Guide; what is not here is missing by name, and not silently different.
Columns have one type here: a DynamicFrame's choice types do not come up.
"""
