"""How the modules of the package hang together: arrows point one way, and what is private stays at home."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imgcrypt"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text("utf-8"), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str) -> dict[str, tuple[str, str | None]]:
    """What each name that an import binds stands for: a module, and a name in it or None for the module itself.

    Imports inside functions and those for type checkers count too.
    """
    bound: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            for each in node.names:
                bound[each.asname or each.name.partition(".")[0]] = (each.name, None)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module} imports relatively"
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                bound[each.asname or each.name] = (whole, None) if whole in MODULES else (node.module, each.name)
    return bound


def private_uses(module: str) -> list[str]:
    """The private names of other modules of the package that a module uses."""
    bound, tree = imports(module), MODULES[module]
    found = [f"{source}.{name}" for source, name in bound.values() if source in MODULES and name and is_private(name)]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            base: ast.expr = node
            while isinstance(base, ast.Attribute):
                base = base.value
            source = bound.get(base.id, (module, None))[0] if isinstance(base, ast.Name) else module
            # A library's private name is another matter; self._name that is set nowhere here is a base class's.
            if source in MODULES:
                found.append(f"{source}: {ast.unparse(node)}")
    return found


def is_private(name: str) -> bool:
    # Named tuples' public methods have names that look private.
    return name not in ("_asdict", "_replace") and name.startswith("_") and not name.endswith("__")


def test_no_circle_between_modules() -> None:
    graph = {module: {source for source, _ in imports(module).values()} & set(MODULES) for module in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_of_another_module(module: str) -> None:
    assert private_uses(module) == []


def test_the_probes_see_what_they_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one = "import numpy\nfrom imgcrypt import two\ndef run(net):\n    two._hidden(net._inner, numpy._core)"
    two = "from imgcrypt.one import _run\n_own = 1\ndef f(self):\n    return self._own"
    monkeypatch.setattr(f"{__name__}.MODULES", {"imgcrypt.one": ast.parse(one), "imgcrypt.two": ast.parse(two)})
    assert private_uses("imgcrypt.one") == ["imgcrypt.two: two._hidden", "imgcrypt.one: net._inner"]
    assert private_uses("imgcrypt.two") == ["imgcrypt.one._run"]
    with pytest.raises(pytest.fail.Exception, match=r"imgcrypt\.one"):
        test_no_circle_between_modules()
