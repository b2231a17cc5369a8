"""What a third reviewer found: options that only the command line could set, points off the domain, false alarms."""

from __future__ import annotations

import pytest

from .command import Run, Write, run, write

__all__ = ["run", "write"]

PRODUCT = """
import numpy as np
import gradcheck

def f(x):
    return np.sum(np.exp(x))

def by_vector(x, v):
    return np.exp(x) * v
"""


def test_a_product_with_a_vector_is_named_by_a_decorator(run: Run, write: Write) -> None:
    text = PRODUCT.replace("def f", '@gradcheck.case(at=[1.0, 2.0], order=2, hessp="by_vector")\ndef f')
    write(model_py=text)
    code, out, err = run("model.py")
    assert (code, err) == (0, "") and "by_vector" in out, out


@pytest.mark.parametrize(
    "table",
    [
        '[[check]]\ntarget = "model.py:f"\norder = 2\nhessp = "by_vector"\n',
        'hessp = "by_vector"\n[[check]]\ntarget = "model.py:f"\norder = 2\n',
        'hessp = "by_vector"\norder = 2\n[[check]]\ntarget = "model.py:f"\n',
    ],
)
def test_a_product_with_a_vector_is_named_in_a_file(run: Run, write: Write, table: str) -> None:
    write(model_py=PRODUCT, gradcheck_toml=table)
    code, out, _ = run()
    assert code == 0 and "by_vector" in out, out


def test_a_product_with_a_vector_is_named_in_a_variable(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(model_py=PRODUCT)
    monkeypatch.setenv("GRADCHECK_HESSP", "by_vector")
    code, out, _ = run("model.py:f", "--order", "2")
    assert code == 0 and "by_vector" in out, out
    code, _, err = run("model.py:f")
    assert code == 2 and "--hessp by_vector goes with --order 2 only" in err


def test_a_check_may_mend_what_the_table_contradicts(run: Run, write: Write) -> None:
    table = 'no-autodiff = true\ngrad = "none"\n[[check]]\ntarget = "model.py:g"\ngrad = "auto"\n'
    write(model_py="def g(x):\n    return x**2\n\ndef g_grad(x):\n    return 2 * x\n", gradcheck_toml=table)
    assert run()[0] == 0
