"""What one gateway is started with, and the secrets that it makes at first start."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.base.cloud import Credentials, Paths


@dataclass(frozen=True)
class GatewaySettings:
    """Where a gateway listens and keeps its state."""

    state: Path
    port: int
    host: str = "127.0.0.1"
    region: str = "us-east-1"
    account_id: str = "000000000001"
    objects: Path | None = None
    logs: Path | None = None

    @property
    def paths(self) -> Paths:
        """The folders of the local cloud."""
        return Paths(state=self.state, objects=self.objects or self.state / "s3", logs=self.logs or self.state / "logs")

    @property
    def endpoint_url(self) -> str:
        """Where clients on this machine reach the gateway."""
        return f"http://{self.host}:{self.port}"

    def environment(self, root: Credentials) -> dict[str, str]:
        """The environment that MiniStack reads when it is imported."""
        return {
            "ACCOUNT_ID": self.account_id,
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": root.access_key_id,
            "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
            "BIND_HOST": self.host,
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": self.account_id,
            "MINISTACK_HOST": self.host,
            "MINISTACK_REGION": self.region,
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(self.paths.objects),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self.paths.state / "ministack"),
        }


def load_root_credentials(paths: Paths) -> Credentials:
    """The keys of the account's root; made and stored (mode 0600) at first start."""
    if paths.root_credentials.exists():
        return Credentials(**json.loads(paths.root_credentials.read_text()))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    root = Credentials(
        access_key_id="AKIA" + "".join(secrets.choice(alphabet) for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
    )
    write_secret(paths.root_credentials, json.dumps(asdict(root)))
    return root


def load_token(paths: Paths) -> str:
    """The token of the machine's own processes; made and stored (mode 0600) at first start."""
    if paths.token.exists():
        return paths.token.read_text()
    token = secrets.token_urlsafe(32)
    write_secret(paths.token, token)
    return token


def write_secret(path: Path, text: str) -> None:
    """Replace ``path`` by a file with ``text`` that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
