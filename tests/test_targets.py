"""Targets, what goes wrong on the way to them, and the hand-written derivatives beside them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gradcheck.check.result import Point
from gradcheck.loading import TargetError
from gradcheck.partners import Partner, find_partner, given_partner, overlooked, part_for
from gradcheck.targets import Target, definition, resolve, split_spec

Write = Callable[..., Path]
CYIPOPT = "".join(f"def {name}(x): ...\n" for name in ("objective", "gradient", "constraints", "jacobian"))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write source files into a fresh working directory; modules and sys.path are put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def to(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    yield to
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def error(spec: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        resolve(spec)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("pkg.mod:f", ("pkg.mod", "f")),
        ("mod:obj.fun", ("mod", "obj.fun")),
        ("a/b.py:f", ("a/b.py", "f")),
        ("a/b.py::Class::fun", ("a/b.py", "Class.fun")),
        ("C:\\dir\\m.py:f", ("C:\\dir\\m.py", "f")),
        ("C:\\dir\\m.py", ("C:\\dir\\m.py", "")),
        ("C:/dir/m.py::f", ("C:/dir/m.py", "f")),
        ("mod", ("mod", "")),
        ("odd:name/m.py:f", ("odd:name/m.py", "f")),
    ],
)
def test_split(spec: str, parts: tuple[str, str]) -> None:
    assert split_spec(spec) == parts


@pytest.mark.parametrize("spec", ["model.py:f", "./model.py::f", "model:f"])
def test_file_and_module(write: Write, spec: str) -> None:
    write("model.py", "def decorated(g): return g\n\n@decorated\ndef f(x, n=2): return x**n\n")
    target = resolve(spec)
    assert target.function(3.0) == 9.0
    assert [(p.name, p.required) for p in target.parameters] == [("x", True), ("n", False)]
    assert str(target.where) == "model.py:4"


def test_file_with_a_name_of_the_standard_library(write: Write) -> None:
    write("signal.py", "def f(x): return 7 * x\n")
    import signal

    assert resolve("signal.py:f").function(1.0) == 7.0
    assert sys.modules["signal"] is signal


def test_two_files_of_one_name(write: Write) -> None:
    write("a/model.py", "def f(x): return 1.0\n")
    write("b/model.py", "def f(x): return 2.0\n")
    assert [resolve(f"{folder}/model.py:f").function(0.0) for folder in "ab"] == [1.0, 2.0]


def test_file_in_a_package_may_import_relatively(write: Write) -> None:
    write("pkg/__init__.py", "")
    write("pkg/constants.py", "K = 5.0\n")
    write("pkg/sub/__init__.py", "")
    write("pkg/sub/model.py", "from ..constants import K\ndef f(x): return K * x\n")
    target = resolve("pkg/sub/model.py:f")
    assert target.function(2.0) == 10.0
    assert target.module.__name__ == "pkg.sub.model"


def test_file_imports_its_neighbours(write: Write) -> None:
    write("deep/helpers_of_f.py", "def double(x): return 2 * x\n")
    write("deep/model.py", "from helpers_of_f import double as f\n")
    assert resolve("deep/model.py:f").function(2.0) == 4.0


def test_pythonpath(write: Write, tmp_path: Path) -> None:
    write("elsewhere/far_model.py", "def f(x): return x\n")
    assert "there is no module 'far_model'" in error("far_model:f").message
    assert resolve("far_model:f", [str(tmp_path / "elsewhere")]).function(1.0) == 1.0
    with pytest.raises(TargetError, match="no folder"):
        resolve("far_model:f", ["nowhere"])


METHODS = """
import functools
class Model:
    def __init__(self, a=2.0): self.a = a
    def fun(self, x): return self.a * x
    def __call__(self, x): return -x
    @staticmethod
    def plain(x): return 10 * x
    @classmethod
    def make(cls, x): return cls(x).a
class Needs:
    def __init__(self, data): self.data = data
    def fun(self, x): return x
class Breaks:
    def __init__(self): raise RuntimeError("no data file")
    def fun(self, x): return x
model = Model(3.0)
part = functools.partial(pow, 2.0)
text = "abc"
"""


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("Model.fun", 2.0),
        ("Model.plain", 10.0),
        ("Model.make", 1.0),
        ("Model", -1.0),
        ("model.fun", 3.0),
        ("model", -1.0),
        ("part", 2.0),
    ],
)
def test_methods(write: Write, attribute: str, value: float) -> None:
    write("model.py", METHODS)
    assert resolve(f"model.py:{attribute}").function(1.0) == value


def test_self_is_not_counted(write: Write) -> None:
    write("model.py", METHODS)
    assert [p.name for p in resolve("model.py:Model.fun").parameters] == ["x"]


@pytest.mark.parametrize(
    ("attribute", "message", "hint"),
    [
        (
            "Needs.fun",
            "the class Needs needs arguments to be constructed (data)",
            "expose an instance at module level",
        ),
        ("Breaks.fun", "Breaks() raises RuntimeError: no data file", "expose an instance"),
        ("Needs", "is a class, not a function", "Needs.fun"),
        ("text", "is not a function but a str", None),
        ("modle", "has no attribute 'modle'", "did you mean 'model'?"),
        ("Model.fnu", "'Model' has no attribute 'fnu'", "did you mean 'Model.fun'?"),
        ("", "does not name a function", None),
    ],
)
def test_attribute_mistakes(write: Write, attribute: str, message: str, hint: str | None) -> None:
    write("model.py", METHODS)
    found = error(f"model.py:{attribute}")
    assert message in found.message
    if hint:
        assert hint in (found.hint or "")


def test_a_file_alone_lists_its_functions(write: Write) -> None:
    write("model.py", "from math import sin\ndef f(x): ...\ndef g(x): ...\ndef _private(x): ...\n")
    assert error("model.py").hint == "name one: model.py:f, model.py:g"


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("import sys\n\nsys.exit(0)\n", "calls sys.exit(0) when it is imported", 3),
        ("def f(x:\n", "SyntaxError", 1),
        ("import no_such_library\n", "imports 'no_such_library', which " + sys.executable, 1),
        ("def g():\n    return 1 / 0\n\ng()\n", "ZeroDivisionError: division by zero", 2),
        ("import math\nmath.sqrt('a')\n", "TypeError", 2),
    ],
)
def test_import_mistakes(write: Write, source: str, message: str, line: int) -> None:
    write("model.py", source)
    found = error("model.py:f")
    assert message in found.message
    assert str(found.where) == f"model.py:{line}"
    assert found.code == "GC003"
    assert "model" not in sys.modules


def test_module_that_reads_the_command_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gradcheck", "--nonsense"])
    write("script.py", "import argparse\nargs = argparse.ArgumentParser().parse_args()\ndef f(x): return x\n")
    assert resolve("script.py:f").function(1.0) == 1.0
    assert sys.argv == ["gradcheck", "--nonsense"]


def test_missing_file_and_module(write: Write) -> None:
    write("rosenbrock.py", "def f(x): return x\n")
    assert error("rosenbrok.py:f").hint == "did you mean 'rosenbrock.py'?"
    found = error("rosenbrok:f")
    assert sys.executable in found.message
    assert found.hint == "did you mean 'rosenbrock'?"


def test_safe_path_leaves_the_working_directory_out(write: Write) -> None:
    import subprocess

    write("model.py", "def f(x): return x\n")
    root = Path(__file__).resolve().parent.parent
    program = "from gradcheck.targets import resolve; resolve('model:f')"
    environment = {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "there is no module 'model'" in done.stderr


def test_keyword_only_arguments_become_positional(write: Write) -> None:
    write("model.py", "def f(x, *, c, d=1.0): return x - c * d\n")
    target = resolve("model.py:f")
    assert [p.name for p in target.parameters] == ["x", "c", "d"]
    assert target.function(5.0, 2.0) == 3.0
    assert target.function(5.0, 2.0, 3.0) == -1.0
    assert target.where == definition(target.function)


def test_definition_of_compiled_code_is_unknown() -> None:
    assert definition(np.sin) is None
    assert [p.name for p in resolve("numpy:hypot").parameters] == ["x1", "x2"]


# partners


def named(
    write: Write, source: str, name: str = "f", argument: str = "x", order: int = 1
) -> tuple[str, tuple[str, ...]]:
    write("model.py", source)
    partner, remarks = find_partner(resolve(f"model.py:{name}"), argument, order)
    return (partner.name if partner else ""), remarks


@pytest.mark.parametrize(
    "name",
    [
        "f_grad",
        "grad_f",
        "f_gradient",
        "f_der",
        "f_prime",
        "fprime",
        "df",
        "f_jac",
        "jac_f",
        "f_grad_x",
        "df_dx",
        "f_dx",
    ],
)
def test_partner_names(write: Write, name: str) -> None:
    assert named(write, f"def f(x): ...\ndef {name}(x): ...\n") == (name, ())


@pytest.mark.parametrize("name", ["f_hess", "hess_f", "f_hessian", "d2f"])
def test_partner_names_of_order_two(write: Write, name: str) -> None:
    assert named(write, f"def f(x): ...\ndef f_grad(x): ...\ndef {name}(x): ...\n", order=2) == (name, ())


def test_the_name_that_says_the_argument_wins(write: Write) -> None:
    source = "def f(x, t): ...\ndef f_grad(x, t): ...\ndef f_grad_t(x, t): ...\n"
    assert named(write, source, argument="t")[0] == "f_grad_t"
    assert named(write, source, argument="x")[0] == "f_grad"


@pytest.mark.parametrize(
    ("source", "function", "found"),
    [
        ("def fun(x): ...\ndef jac(x): ...\n", "fun", "jac"),
        ("def objective(x): ...\ndef gradient(x): ...\n", "objective", "gradient"),
        ("def value(x): ...\ndef gradient(x): ...\n", "value", "gradient"),
        ("def fn(x): ...\ndef gradient(x): ...\n", "fn", "gradient"),
        ("def constraints(x): ...\ndef jacobian(x): ...\n", "constraints", "jacobian"),
        (CYIPOPT, "objective", "gradient"),
        (CYIPOPT, "constraints", "jacobian"),
        # Whose is it?
        ("def fun(x): ...\ndef constraints(x): ...\ndef jac(x): ...\n", "fun", ""),
        ("def fun(x): ...\ndef constraints(x): ...\ndef jac(x): ...\n", "constraints", ""),
        ("def fun(x): ...\ndef constraints(x): ...\ndef jac(x): ...\ndef grad(x): ...\n", "fun", "grad"),
        # A name that says something of its own does not own a bare `jac`.
        ("def energy_of_cell(x): ...\ndef jac(x): ...\n", "energy_of_cell", ""),
        ("def loss_fn(x): ...\ndef loss_grad(x): ...\n", "loss_fn", "loss_grad"),
        # ... which belongs to loss where there is one.
        ("def loss_fn(x): ...\ndef loss(x): ...\ndef loss_grad(x): ...\n", "loss_fn", ""),
        ("def f(x): ...\nf_grad = 3.0\n", "f", ""),
        ("def f(x): ...\nclass f_grad: ...\n", "f", ""),
        ("def fun(x): ...\nfrom operator import neg as jac\n", "fun", ""),
    ],
)
def test_whose_derivative(write: Write, source: str, function: str, found: str) -> None:
    assert named(write, source, function)[0] == found


def test_ambiguous_bare_name_is_not_used_and_said(write: Write) -> None:
    name, remarks = named(write, "def fun(x): ...\ndef loss(x): ...\ndef jac(x): ...\n", "fun")
    assert name == ""
    assert remarks == ("jac was not used: it may belong to fun or to loss; --grad jac uses it",)


def test_partner_of_a_method_stands_in_its_class(write: Write) -> None:
    write(
        "model.py",
        """
        class M:
            k = 3.0
            def fun(self, x): ...
            def jac(self, x): return self.k
        def jac(x): ...
        """,
    )
    partner, _ = find_partner(resolve("model.py:M.fun"), "x")
    assert partner is not None
    assert (partner.name, partner.function(1.0)) == ("M.jac", 3.0)


def test_partner_of_a_callable_object(write: Write) -> None:
    write("model.py", "class M:\n    def __call__(self, x): ...\n    def grad(self, x): return 4.0\nm = M()\n")
    partner, _ = find_partner(resolve("model.py:m"), "x")
    assert partner is not None
    assert (partner.name, partner.function(1.0)) == ("m.grad", 4.0)


def test_partner_with_other_arguments(write: Write) -> None:
    name, remarks = named(write, "def f(x): ...\ndef f_grad(x, cache): ...\n")
    assert name == ""
    assert remarks == ("f_grad was not used: it cannot be called with the arguments of f",)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [("x, t", (1.0, 2.0)), ("t, x", (1.0, 2.0)), ("x, t, scale=1.0", (1.0, 2.0)), ("a, b", (1.0, 2.0))],
)
def test_partner_is_called_by_name(write: Write, parameters: str, expected: tuple[float, float]) -> None:
    first, second = ("a", "b") if parameters == "a, b" else ("x", "t")
    write("model.py", f"def f(x, t): ...\ndef f_grad({parameters}): return {first}, {second}\n")
    partner, _ = find_partner(resolve("model.py:f"), "x")
    assert partner is not None
    assert partner.function(1.0, 2.0) == expected


def test_scipy() -> None:
    rosen = resolve("scipy.optimize:rosen")
    assert [find_partner(rosen, "x", order)[0].name for order in (1, 2)] == ["rosen_der", "rosen_hess"]  # type: ignore[union-attr]


def test_given_partner(write: Write) -> None:
    write("model.py", "def f(x): ...\ndef slope(x): return 8.0\ndef other(x, y, z): ...\n")
    target = resolve("model.py:f")
    assert given_partner("model.py:slope", target).function(1.0) == 8.0
    assert given_partner("slope", target).how == "given with --grad"
    with pytest.raises(TargetError, match="no function 'nosuch' beside f"):
        given_partner("nosuch", target)
    with pytest.raises(TargetError, match="cannot be called with the arguments of f"):
        given_partner("other", target)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def forward(x): ...\ndef backward(x): ...\n", "there is backward: --grad model.py:backward"),
        ("def forward(x): ...\ndef gradForward(x): ...\n", "there is gradForward: --grad model.py:gradForward"),
        ("def forward(x): ...\ndef forwardgrad(x): ...\n", "there is forwardgrad"),
        ("def forward(x): ...\ndef dforward_dx1(x): ...\n", "there is dforward_dx1"),
        ("def forward(x): ...\ndef my_grad(x): ...\ndef jac(x): ...\n", "there are jac, my_grad: for example --grad"),
        ("def forward(x): ...\ndef loss(x): ...\ndef loss_grad(x): ...\ndef loss_grad_w(x): ...\n", ""),
        ("def forward(x): ...\ndef gradient_descent(x): ...\ndef upgrade(x): ...\n", ""),
        ("def forward(x): ...\nfrom numpy import gradient\n", ""),
        ("def forward(x): ...\ngrad = 3.0\n", ""),
    ],
)
def test_what_looks_like_a_derivative_is_mentioned(write: Write, source: str, said: str) -> None:
    write("model.py", source)
    remark = overlooked(resolve("model.py:forward"), 1)
    assert said in remark
    assert bool(said) == bool(remark)


def test_the_hessian_is_mentioned_for_order_two_only(write: Write) -> None:
    write("model.py", "class Ip:\n    def run(self, x): ...\n    def hessian(self, x): ...\n")
    assert overlooked(resolve("model.py:Ip.run"), 1) == ""
    assert "there is Ip.hessian: --grad model.py:Ip.hessian" in overlooked(resolve("model.py:Ip.run"), 2)


X, T, Y = np.ones(3), np.full((4, 3), 2.0), np.full(4, 3.0)


@pytest.mark.parametrize(
    ("returned", "argnum", "taken"),
    [
        ((X, T, Y), 0, X),
        ((X, T, Y), 1, T),
        ([X, T, Y], 2, Y),
        ((X, T), 1, T),
        ((X, T), 2, None),
        ({"t": T}, 1, T),
        ({"t": T}, 0, None),
        (X, 0, X),
        (X, 1, None),
        (T, 1, T),
        (T, 0, None),
        # It fits nothing: then it is the (wrong) derivative with respect to the first argument.
        (np.ones(7), 0, np.ones(7)),
        (np.ones(7), 1, None),
    ],
)
def test_part_for_an_argument(returned: object, argnum: int, taken: object) -> None:
    partner = Partner("f_grad", "found by name", lambda *args: returned)
    part, remark = part_for(partner, returned, 1.0, (X, T, Y), ("x", "t", "y"), argnum, 1)
    if taken is None:
        assert part is None
        assert "f_grad was not used" in remark
    else:
        assert part is not None
        assert np.array_equal(part(returned), taken)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{"certain": True}, {"argument": "t"}])
def test_a_partner_that_is_certain_is_on_trial_whatever_it_returns(how: dict[str, object]) -> None:
    partner = Partner("g", "given with --grad", lambda *args: X, **how)  # type: ignore[arg-type]
    part, remark = part_for(partner, X, 1.0, (X, T), ("x", "t"), 1, 1)
    assert part is not None
    assert part(X) is X
    assert remark == ""


def test_a_list_of_floats_is_one_gradient() -> None:
    partner = Partner("f_grad", "found by name", lambda *args: None)
    gradient = [1.0, 2.0, 3.0]
    part, _ = part_for(partner, gradient, 1.0, (X, 2.0, 3.0), ("x", "a", "b"), 0, 1)
    assert part is not None
    assert part(gradient) is gradient


def test_point_and_target_are_frozen() -> None:
    target = resolve("math:hypot")
    assert isinstance(target, Target)
    with pytest.raises(AttributeError):
        target.name = "other"  # type: ignore[misc]
    assert Point((1.0,)) == Point((1.0,))


def test_an_imported_module_is_no_suggestion(write: Write) -> None:
    write("model.py", "import numpy as np\ndef loss(x): ...\n")
    with pytest.raises(TargetError) as caught:
        resolve("model.py:nope")
    assert caught.value.hint == "it has loss"
