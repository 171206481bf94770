"""CloudFormation: MiniStack's engine, with types that honour every property of a template or fail by name."""
