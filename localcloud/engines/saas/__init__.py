"""Copies of objects of software as a service, page by page, into files in S3."""
