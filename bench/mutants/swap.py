"""Puts a mutant in the place of the real code, in memory: no file of the tree is ever changed.

A fault inside a function replaces the code of that function in a process that has all imported already, and
one in a constant the constant. One in a class needs a new process, whose import of the module reads the
mutant instead (`-p bench.mutants.swap`).
"""

import ast
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

#: Where a new process finds the mutant's source, and which file it stands for.
SOURCE, INSTEAD_OF = "KOPECK_MUTANT", "KOPECK_MUTANT_OF"
#: What stays as it was imported while constants are made anew.
DEFINED = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class NotImportable(Exception):
    """The mutant does not get past its import."""


class Functions:
    """The functions of some files as they are now, by file, name and first line."""

    def __init__(self, paths: set[str]) -> None:
        gc.unfreeze()  # what is frozen is in no list
        self._found: dict[tuple[str, str, int], list[FunctionType]] = {}
        for function in gc.get_objects():
            # By its type: a lazy object asked whether it is an instance would be made now.
            if type(function) is FunctionType and function.__code__.co_filename in paths:
                self._found.setdefault(_place(function.__code__), []).append(function)
        gc.freeze()

    def become(self, path: str, name: str, source: str) -> bool:
        """Give the function `name` the code that it has in `source`; False where there is none."""
        changed = False
        for code in _codes(compile(source, path, "exec")):
            if code.co_qualname != name:
                continue
            for function in self._found.get(_place(code), []):
                function.__code__ = code
                changed = True
        return changed


def _place(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def rebind(path: str, source: str) -> bool:
    """Give a module the constants that it has in `source`, and all who import them from it by their names.

    False where a class is another one: that would have to be everywhere at once. What somebody has made of a
    constant before stays as it was, so a fault may go unnoticed here, but is never noticed by mistake.
    """
    before, after = ast.parse(Path(path).read_text()), ast.parse(source)
    if [ast.dump(node) for node in before.body if isinstance(node, ast.ClassDef)] != [
        ast.dump(node) for node in after.body if isinstance(node, ast.ClassDef)
    ]:
        return False
    modules = [module for module in sys.modules.values() if isinstance(module, ModuleType)]
    (module,) = [one for one in modules if getattr(one, "__file__", None) == path]
    after.body = [node for node in after.body if not isinstance(node, DEFINED)]
    now = vars(module)
    was = dict(now)
    try:
        exec(compile(after, path, "exec"), now)
    except Exception as problem:
        raise NotImportable from problem
    changed = {name: value for name, value in was.items() if now[name] is not value}
    for one in modules:
        for name, value in changed.items():
            if vars(one).get(name, modules) is value:
                setattr(one, name, now[name])
    return True


class _Finder:
    """Finds one module, and gives it other source."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path, self.source = path, source

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.rpartition(".")[2] != self.path.stem or not path:
            return None
        if all(Path(folder) != self.path.parent for folder in path):
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=_Loader(name, self))


class _Loader(SourceFileLoader):
    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name, str(finder.path))
        self._source = finder.source

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self._source, self.path, "exec")
        return code


def pytest_configure() -> None:
    """Random tests are the same for each mutant, and look for no smaller example of what they have found."""
    from hypothesis import Phase, settings  # not before pytest has marked what it rewrites

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", phases=phases, database=None, derandomize=True, deadline=None)
    settings.load_profile("mutants")


if SOURCE in os.environ:
    sys.meta_path.insert(0, _Finder(Path(os.environ[INSTEAD_OF]), Path(os.environ[SOURCE]).read_bytes()))
