"""What the OpenSearch Service does to the node itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

_TIMEOUT = 60.0


def version(url: str) -> str:
    """The node's version, e.g. `2.19.1`. Raises httpx.HTTPError when it does not answer."""
    with httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False) as http:
        return str(http.get("/").raise_for_status().json()["version"]["number"])


def erase(url: str) -> None:
    """Delete everything a user can have put into the node: indexes, templates, pipelines, scripts, settings.

    Raises httpx.HTTPError when the node refuses or does not answer.
    """
    with httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False) as http:
        state = http.get("/_cluster/state/metadata", params={"expand_wildcards": "all"}).raise_for_status().json()
        metadata = state["metadata"]
        found = {
            "/_data_stream": metadata.get("data_stream", {}).get("data_stream", {}),
            "": metadata.get("indices", {}),
            "/_index_template": _names(http, "/_index_template", "index_templates"),
            "/_component_template": _names(http, "/_component_template", "component_templates"),
            "/_template": _json(http, "/_template"),
            "/_ingest/pipeline": _json(http, "/_ingest/pipeline"),
            "/_search/pipeline": _json(http, "/_search/pipeline"),
            "/_scripts": metadata.get("stored_scripts", {}),
        }
        # Data streams first: their indexes go with them. Component templates after the templates that use them.
        paths = [f"{kind}/{quote(name, safe='')}" for kind, names in found.items() for name in names]
        for path in paths:
            answer = http.delete(path)
            if answer.status_code != 404:
                answer.raise_for_status()
        settings = _json(http, "/_cluster/settings")
        cleared = {kind: dict.fromkeys(_flat(settings.get(kind, {}))) for kind in ("persistent", "transient")}
        if any(cleared.values()):
            http.put("/_cluster/settings", json=cleared).raise_for_status()


def _names(http: httpx.Client, path: str, key: str) -> list[str]:
    return [str(item["name"]) for item in _json(http, path).get(key, [])]


def _json(http: httpx.Client, path: str) -> dict[str, Any]:
    response = http.get(path)
    if response.status_code == 404:  # so does the node say that there are no pipelines
        return {}
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def _flat(settings: dict[str, object], prefix: str = "") -> list[str]:
    names = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        names += _flat(value, f"{name}.") if isinstance(value, dict) else [name]
    return names
