"""The token that a container shows for its role's credentials."""

from __future__ import annotations

import hmac


def role_token(token: str, role_name: str) -> str:
    """What a container shows for its role's credentials: made of the machine's token, and good for that role alone."""
    return hmac.new(token.strip().encode(), f"role:{role_name}".encode(), "sha256").hexdigest()
