"""Numbers that are read back from the text of traced values: refused, or warned of; and what is only printed."""

from __future__ import annotations

import csv
import io
import logging
import string
from typing import Any

import numpy as np
import pytest

from gradcheck import AutodiffError, grad
from gradcheck.autodiff.text import TextWarning

X = np.array([1.0, 2.0, 3.0])


def joined(x: Any) -> Any:
    return sum(float(s) for s in ",".join(map(str, x)).split(",")) ** 2 + 0.0 * x[0]


def template(x: Any) -> Any:
    return float(string.Template("$v").substitute(v=x[0])) ** 2 + 0.0 * x[0]


def table(x: Any) -> Any:
    file = io.StringIO()
    csv.writer(file).writerow(x)
    file.seek(0)
    return sum(float(s) for row in csv.reader(file) for s in row) + 0.0 * x[0]


def through_complex(x: Any) -> Any:
    return complex(str(x[0])).real ** 2 + 0.0 * x[0]


class Parser:
    def number(self, text: str) -> float:
        return float(text)


def elsewhere(x: Any) -> Any:
    text = "%s" % (x[0],)  # noqa: UP031
    return Parser().number("" + text) + 0.0 * x[0]


def from_print(x: Any) -> Any:
    file = io.StringIO()
    print(x[0], file=file)
    return float(file.getvalue()) + 0.0 * x[0]


def through_array(x: Any) -> Any:
    return np.sum(np.array([str(v) for v in x]).astype(float)) + 0.0 * x[0]


def through_eval(x: Any) -> Any:
    text = f"2 * {x[0]}"
    return eval(text) + 0.0 * x[0]


@pytest.mark.parametrize("f", [through_array, through_eval])
def test_numbers_from_text_are_warned_of(f: Any) -> None:
    with pytest.warns(TextWarning, match="reads back from the text of a traced value"):
        grad(f)(X)


@pytest.mark.filterwarnings("ignore::gradcheck.autodiff.text.TextWarning")
@pytest.mark.parametrize("f", [joined, template, table, through_complex, elsewhere, from_print])
def test_numbers_that_traced_values_were_are_refused(f: Any) -> None:
    with pytest.raises(AutodiffError, match="read back from the text") as caught:
        grad(f)(X)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(str(x).split("e")[0]),
        lambda x: float(str(x)[:3]),
        lambda x: float(str(x).rstrip().lstrip()),
    ],
)
def test_numbers_from_parts_of_a_text_are_refused(read: Any) -> None:
    with pytest.warns(TextWarning), pytest.raises(AutodiffError, match="read back from the text"):
        grad(read)(2.5)


@pytest.mark.filterwarnings("ignore::gradcheck.autodiff.text.TextWarning")
def test_other_numbers_may_be_read() -> None:
    assert grad(lambda x: float("0.5") * x + 0.0 * len(f"{x:.3f}"))(2.0) == 0.5


def settings() -> float:
    return float("0.5")


def test_what_is_only_printed_is_not_warned_of(capsys: Any) -> None:
    """Warnings are errors here."""
    log = logging.getLogger("gradcheck.tests.text")

    def f(x: Any) -> Any:
        rate = settings()
        print(x, f"x = {x[0]:.3f}", "first: %s" % x[0])  # noqa: UP031
        log.warning("at %s", x)
        log.info(f"at {x[0]!r}")
        return np.sum(x * x) * rate

    for _ in range(2):  # the second call goes the short way
        assert grad(f)(X) == pytest.approx(X)
        assert "x = 1.000" in capsys.readouterr().out
