"""Mutants: copies of a module with one small fault each.

The faults are mutmut's, made by its own operators, and more that a shop fears: a call that is forgotten, a
condition turned round, a query without its order or its lock. Texts for people, logs, annotations,
decorators, docstrings and zip's `strict` stay as they are.
"""

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

#: Calls that are left alone with all that is in them: texts, logs, and what mutmut leaves alone too.
QUIET = {"_", "gettext", "gettext_lazy", "ngettext", "cast", "len", "isinstance", "super"}
#: Links of a query that only a race shows the want of, or only some rows.
LINKS = {"order_by", "select_for_update", "distinct", "exclude"}
STATEMENT = (cst.SimpleStatementLine, cst.BaseCompoundStatement)


@dataclass(frozen=True)
class Mutant:
    """One fault in `module` (a path); `was` and `now` are the changed lines, `spot` those that it stands in.

    `function` is its qualified name as Python gives it, "" where the fault shows at import; `nth` tells it
    from the same lines earlier in the file.
    """

    module: str
    function: str
    spot: tuple[int, ...]
    was: str
    now: str
    nth: int
    source: str

    @property
    def key(self) -> str:
        """The same as long as the changed lines are, wherever other lines have moved them to."""
        words = "\0".join([self.module, self.function, self.was, self.now, str(self.nth)])
        return hashlib.sha256(words.encode()).hexdigest()[:10]

    @property
    def diff(self) -> str:
        lines = [f"{self.module}:{self.spot[0]} {self.function or '(at import)'}  [{self.key}]"]
        for sign, part in (("-", self.was), ("+", self.now)):
            lines += [f"  {sign} {line}" for line in part.splitlines()]
        return "\n".join(lines)


class Faults:
    """The faults that can be put into a file. There are many, so each is written out only when asked for."""

    def __init__(self, root: Path, module: str) -> None:
        self.module, self.source = module, (root / module).read_text()
        self._tree = MetadataWrapper(cst.parse_module(self.source), unsafe_skip_copy=True)
        visitor = _Visitor()
        self._tree.visit(visitor)
        self._changes = visitor.changes
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._changes)

    def mutant(self, number: int) -> Mutant | None:
        """That fault, as a mutant; None where it changes nothing, or the same as one before."""
        change = self._changes[number]
        changed = self._tree.module.deep_replace(change.node, change.instead).code  # type: ignore[arg-type]
        if changed == self.source or changed in self._seen:
            return None
        self._seen.add(changed)
        try:
            compile(changed, self.module, "exec")
        except SyntaxError:  # as "return" in place of a "break" outside of functions
            return None
        lines = [line.strip() for line in self.source.splitlines()]
        was, now = _changed_lines(lines, [line.strip() for line in changed.splitlines()])
        nth = lines[: change.spot[0] - 1].count(was.partition("\n")[0])
        return Mutant(self.module, change.function, change.spot, was, now, nth, changed)


def _changed_lines(before: list[str], after: list[str]) -> tuple[str, str]:
    was, now = [], []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            was += before[i1:i2]
            now += after[j1:j2]
    return "\n".join(was), "\n".join(now)


@dataclass(frozen=True)
class _Change:
    node: cst.CSTNode
    instead: cst.CSTNode
    function: str
    spot: tuple[int, ...]


class _Visitor(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[_Change] = []
        self._within: list[cst.FunctionDef | cst.ClassDef] = []
        self._spots: list[tuple[int, int]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_quiet(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._within.append(node)
        if isinstance(node, STATEMENT):
            self._spots.append(self._lines(node))
        for instead in _faults(node):
            self._add(node, instead)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if _is_quiet(original_node):
            return
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._within.pop()
        if isinstance(original_node, STATEMENT):
            self._spots.pop()

    def _add(self, node: cst.CSTNode, instead: cst.CSTNode) -> None:
        start, end = self._spots[-1]
        at = self.get_metadata(PositionProvider, node, None)
        # A call of several lines may be known by its first line or by a later one: all of them count.
        end = max(end, at.start.line) if at else end
        self.changes.append(_Change(node, instead, self._function(), tuple(range(start, end + 1))))

    def _function(self) -> str:
        """The outermost function, by its qualified name; one that is inside it belongs to it."""
        names = []
        for node in self._within:
            names.append(node.name.value)
            if isinstance(node, cst.FunctionDef):
                return ".".join(names)
        return ""

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """Of a statement; of one with a block only those above the block."""
        at, body = self.get_metadata(PositionProvider, node), getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock):
            first = self.get_metadata(PositionProvider, body.body[0]).start.line
            return at.start.line, max(at.start.line, first - 1)
        return at.start.line, at.end.line


def _is_quiet(node: cst.CSTNode) -> bool:
    """Whether nothing in it is changed."""
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Param | cst.ImportFrom | cst.Import):
        return True
    if isinstance(node, cst.Arg):
        return _is_strict(node)
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Name):
        return node.func.value in QUIET
    return m.matches(node.func, m.Attribute(value=m.Name("log"))) or m.matches(
        node.func, m.Attribute(value=m.Name("logger"))
    )


def _is_strict(argument: cst.Arg) -> bool:
    """`strict=True` of zip says what holds anyway: nothing is different without it."""
    return argument.keyword is not None and argument.keyword.value == "strict"


def _faults(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from (instead for instead in operator(node) if _stays_strict(node, instead))
    yield from _forgotten(node)


def _stays_strict(node: cst.CSTNode, instead: cst.CSTNode) -> bool:
    if not isinstance(node, cst.Call) or not isinstance(instead, cst.Call):
        return True
    return all(argument in instead.args for argument in node.args if _is_strict(argument))


def _forgotten(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """What mutmut has not."""
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call) and not _is_quiet(node.value):
        yield cst.Pass()
    if isinstance(node, cst.If) and not isinstance(node.test, cst.Comparison | cst.UnaryOperation):
        inside = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), inside))
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in LINKS:
        yield node.func.value
