"""`make map`: the rooms of the shop, drawn from its imports; `--write` puts them into docs/architecture.md.

An arrow leads to a room that is called; one that follows from others (a calls b, b calls c: a may call c) is
left out of the picture and stands in the table.
"""

import ast
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- make map: begin -->", "<!-- make map: end -->"
#: Rooms that every other may call, and whose arrows would hide the rest.
EVERYWHERE = ("web", "telemetry", "database", "configuration")


def rooms() -> list[str]:
    """From the highest to the lowest: the order that import-linter holds."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    return [layer for layer in layers if (ROOT / "kopeck" / layer / "__init__.py").exists()]


def calls() -> dict[str, set[str]]:
    """Which rooms each room imports."""
    graph, known = grimp.build_graph("kopeck", cache_dir=None), rooms()
    found: dict[str, set[str]] = {room: set() for room in known}
    for module in graph.modules:
        room = _room(module)
        if room in found:
            found[room] |= {_room(other) for other in graph.find_modules_directly_imported_by(module)}
    return {room: (others & set(known)) - {room} for room, others in found.items()}


def _room(module: str) -> str:
    return [*module.split("."), ""][1]


def drawn(edges: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others."""
    below = {room: _below(room, edges) for room in edges}
    return [
        (room, other)
        for room, others in edges.items()
        for other in sorted(others - set(EVERYWHERE))
        if room not in EVERYWHERE and not any(other in below[between] for between in others - {other})
    ]


def _below(room: str, edges: dict[str, set[str]]) -> set[str]:
    return edges[room].union(*(_below(other, edges) for other in edges[room]))


def lines(room: str) -> tuple[int, int]:
    """Its modules and their lines, without migrations."""
    files = [p for p in (ROOT / "kopeck" / room).rglob("*.py") if "migrations" not in p.parts]
    return len([p for p in files if p.stat().st_size]), sum(len(p.read_text().splitlines()) for p in files)


def sentence(room: str) -> str:
    said = ast.get_docstring(ast.parse((ROOT / "kopeck" / room / "__init__.py").read_text())) or ""
    return " ".join(said.split("\n\n")[0].split())


def page() -> str:
    """The picture and the table, as they stand in docs/architecture.md."""
    edges = calls()
    picture = ["```mermaid", "flowchart TD"]
    picture += [f"    {room} --> {other}" for room, other in drawn(edges)] + ["```"]
    table = ["| room | what it is for | it calls |", "|---|---|---|"]
    for room in rooms():
        called = ", ".join(f"`{other}`" for other in rooms() if other in edges[room]) or "-"
        table.append(f"| `{room}` | {sentence(room)} | {called} |")
    return "\n".join([*picture, "", *table])


def main() -> int:
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{page()}\n{END}{after}")
        return 0
    edges = calls()
    for room in rooms():
        files, count = lines(room)
        called = " ".join(other for other in rooms() if other in edges[room])
        print(f"{room:<12} {files:>3} files {count:>6} lines  -> {called}")
    upward = [(a, b) for a in edges for b in edges[a] if rooms().index(b) < rooms().index(a)]
    print(f"arrows that point up: {len(upward)}")
    return bool(upward)


if __name__ == "__main__":
    sys.exit(main())
