"""Importing a package that is not there: its modules are made from a table of names."""

import opcode
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

from voicewire.events import nearest_name

ALL = "*"
"""A key of a module's names that stands for all that the module it names exports."""

_IMPORT_FROM = opcode.opmap["IMPORT_FROM"]

Names = Mapping[str, str]
"""What a module holds: each name, and where ours is as `"module:name"`; `ALL` has `"module"`."""


class StandInFinder(MetaPathFinder, Loader):
    """Finds the modules of one package in a table, and refuses what the table does not know.

    The modules are ordinary ones, made when they are first imported. A module or a name that the
    table does not know is an ImportError that says what there is.

    Args:
        package: The name that programs import.
        table: The names in each module, by the module's path.
        values: What the package itself holds, such as its `__version__`.
    """

    def __init__(self, package: str, table: Mapping[str, Names], values: Mapping[str, Any]) -> None:
        self.package = package
        self._table = table
        self._values = values
        self._paths = {package}
        for path in table:
            parts = path.split(".")
            self._paths.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self.package and not fullname.startswith(f"{self.package}."):
            return None
        if fullname not in self._paths:
            raise ModuleNotFoundError(self._explain_module(fullname), name=fullname)
        is_package = fullname not in self._table
        return ModuleSpec(fullname, self, origin="voicewire", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        path = module.__name__
        if path == self.package:
            module.__dict__.update(self._values)
        names = self._load_names(path)
        module.__dict__.update(names)
        if names:
            module.__dict__["__all__"] = sorted(names)

        def refuse(name: str) -> Any:
            # `hasattr`, and whatever else looks around in modules, expects an AttributeError; it
            # is only for an import statement that Python would drop the message of that.
            if _is_at_import(sys._getframe(1)):
                raise ImportError(self._explain_name(path, name, list(names)), name=path)
            raise AttributeError(f"module {path!r} has no attribute {name!r}")

        module.__dict__["__getattr__"] = refuse

    def _load_names(self, path: str) -> dict[str, Any]:
        loaded: dict[str, Any] = {}
        for name, home in self._table.get(path, {}).items():
            module_path, _, attribute = home.partition(":")
            module = import_module(module_path)
            if name == ALL:
                loaded.update((each, getattr(module, each)) for each in module.__all__)
            else:
                loaded[name] = getattr(module, attribute)
        return loaded

    def _explain_module(self, path: str) -> str:
        known = sorted(self._shorten(each, self.package) for each in self._table)
        return (
            f"voicewire stands in for {self.package}, and has no {path}."
            f"{nearest_name(self._shorten(path, self.package), known)} "
            f"In {self.package} there are: {', '.join(known)}"
        )

    def _explain_name(self, path: str, name: str, known: list[str]) -> str:
        if not known:  # It is a package.
            inside = (each for each in self._paths if each.startswith(f"{path}."))
            known = [self._shorten(each, path) for each in inside]
        return (
            f"voicewire stands in for {self.package}, and has no {name} in {path}."
            f"{nearest_name(name, known)} There are: {', '.join(sorted(known))}"
        )

    @staticmethod
    def _shorten(path: str, package: str) -> str:
        return path.removeprefix(f"{package}.")


def _is_at_import(frame: FrameType) -> bool:
    """Whether the frame is at the `name` of `from module import name`."""
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and code[frame.f_lasti] == _IMPORT_FROM
