"""The CDK starts Node when it is imported: the wheel's, since a plain machine has none."""

from __future__ import annotations

import os

from cdap.deployment.synthesis import node_environment

os.environ.update({name: value for name, value in node_environment().items() if name.startswith(("JSII_", "CDK_"))})
