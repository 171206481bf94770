"""The AWS CDK app: one construct a stage, published under `/cdap/` in Parameter Store."""
