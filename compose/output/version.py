"""What `version` prints. The words are Docker Compose's, since scripts read the number behind
them."""

import json

VERSION = "0.1.0"


def show(format: str, *, short: bool = False) -> str:
    if short:
        return VERSION
    if format == "json":
        return json.dumps({"version": f"v{VERSION}"}, separators=(",", ":"))
    return f"Docker Compose version v{VERSION} (pycompose)"
