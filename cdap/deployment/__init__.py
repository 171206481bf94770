"""Putting the CDK templates into AWS: synthesis and CloudFormation."""

from cdap.deployment.stacks import DeploymentError, StackResult, deploy_stack
from cdap.deployment.synthesis import synthesise

__all__ = ["DeploymentError", "StackResult", "deploy_stack", "synthesise"]
