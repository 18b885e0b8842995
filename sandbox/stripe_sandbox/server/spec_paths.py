"""Read every method and path that Stripe's own library calls out of its source, into `paths.txt`.

    python -m stripe_sandbox.server.spec_paths FOLDER...

A FOLDER is the `stripe` package of a release from PyPI. Several releases give their union: paths that a later
API gave up (`/v1/invoices/upcoming`) are still asked for by shops that stayed. Nothing is imported or run.
`paths.txt` was made from 8.11.1, 11.6.1, 12.5.2 and 16.1.0.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

TARGET = Path(__file__).with_name("paths.txt")
METHODS = ("get", "post", "delete")


def calls(tree: ast.AST) -> Iterator[str]:
    """`GET /v1/refunds/{refund}` for each call whose first texts are a method and a path."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        texts = [text for argument in node.args if (text := literal(argument)) is not None]
        for method, path in pairwise(texts):
            if method in METHODS and re.match(r"/v[12]/", path):
                yield f"{method.upper()} {path}"


def literal(node: ast.AST) -> str | None:
    """The text of a constant, or of one that `.format()` is called on."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        node = node.func.value
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read(folders: list[Path]) -> list[str]:
    """All of them, by path, each once whatever its placeholders are called."""
    found: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            for call in calls(ast.parse(file.read_text(encoding="utf-8"))):
                found[re.sub(r"\{\w+\}", "{}", call)] = call
    return sorted(found.values(), key=lambda call: call.split()[::-1])


if __name__ == "__main__":
    TARGET.write_text("\n".join(read([Path(folder) for folder in sys.argv[1:]])) + "\n", encoding="utf-8")
