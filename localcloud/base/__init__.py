"""The base: the gateway process, its patches of MiniStack, CloudFormation, IAM and durable state."""
