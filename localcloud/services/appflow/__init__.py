"""Amazon AppFlow: Salesforce as source, S3 as destination."""

from localcloud.services.appflow.service import AppFlowService

__all__ = ["AppFlowService"]
