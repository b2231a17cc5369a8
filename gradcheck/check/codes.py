"""The stable codes of findings and errors: what they are called and what they mean.

Lowest part of the check floor, plain data: reports, SARIF rules and ``gradcheck --explain CODE`` render from
this table alone. GC0xx could not run, GC1xx wrong, GC2xx inconclusive, GC3xx warning. A code never changes
its meaning.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A row of the table: short kebab-case name, one-line title, explanation paragraph."""

    kind: str
    title: str
    explanation: str


CODES: dict[str, Code] = {
    "GC001": Code("error", "gradcheck could not do what was asked",
                  "A mistake in the request itself: target, point, option or configuration. The message "
                  "says which."),
    "GC010": Code("function-raised", "the function raised an exception at the point",
                  "The function could not be evaluated at the point of the check, so nothing was checked. "
                  "Choose a point in its domain with --at, or mend the function. "
                  "Exceptions at neighbouring points are no error: they mark the edge of the domain."),
    "GC011": Code("not-a-number", "the function does not return a number or an array of numbers",
                  "A derivative needs a numerical value. Functions that return None have often forgotten "
                  "`return`; functions that return a tuple (value, gradient) are checked with --grad "
                  "returned, those that return a value and something else with --grad none."),
    "GC012": Code("nondeterministic", "the function returns different values for the same argument",
                  "Called twice with identical arguments the function gave two values. Finite differences "
                  "of a random function measure its randomness. Seed it inside, or pass the generator or "
                  "the random draws as an argument."),
    "GC013": Code("non-finite-value", "the function is not finite at the point",
                  "nan or infinity has no derivative. Choose a point inside the domain of the function."),
    "GC014": Code("derivative-not-a-number", "the hand-written derivative does not return numbers",
                  "The derivative returned None, text, or something else that is no array of numbers; or "
                  "it returned one item for every argument and none of them fits."),
    "GC015": Code("argument-type", "the argument cannot be differentiated",
                  "Derivatives are taken with respect to real numbers: Python or NumPy floats, or arrays "
                  "of them. Complex, boolean, text, object and container arguments are refused by name."),
    "GC016": Code("no-derivative", "there is no derivative to check",
                  "The autodiff core cannot follow the function, and no hand-written derivative was "
                  "given, so there is nothing that the measurement could be compared with. The message "
                  "names the operation and the line."),
    "GC017": Code("derivative-raised", "the hand-written derivative raised an exception",
                  "The derivative could not be evaluated at the point, so nothing was checked."),
    "GC018": Code("integers-only", "the function takes integers only",
                  "A derivative is a limit of steps that go to zero, and there are none between integers. "
                  "The integer argument was promoted to float and the function refused it."),
    "GC019": Code("nothing-to-check", "the derivative has no entries",
                  "The argument or the value of the function is empty, so there is nothing to compare; "
                  "nothing checked is never a pass."),
    "GC020": Code("not-comparable", "the request does not fit the function",
                  "For example a Hessian of a function with several outputs, or an argument number that "
                  "the function does not have."),
    "GC021": Code("out-of-bounds", "the point is outside of the bounds, or these make no sense",
                  "With --bounds (bounds= from Python) the function is never evaluated outside of them, so a "
                  "point that is given must be inside, a bound included. Bounds are a pair, lower and upper, of "
                  "numbers or arrays that broadcast to the argument."),
    "GC101": Code("wrong-derivative", "the derivative is wrong",
                  "At least one entry differs from the measured derivative by more than its error bar "
                  "and by more than 5e-7 of its size, at two or more step sizes."),
    "GC102": Code("wrong-shape", "the derivative has the wrong shape",
                  "A derivative has the shape of the value followed by the shape of the argument (for "
                  "Hessians twice the shape of the argument). Differences in axes of length one are "
                  "forgiven with a warning."),
    "GC103": Code("nan-derivative", "the derivative is nan or infinite where the function has a finite one",
                  "The function is finite and differentiable at the point; a derivative that is not "
                  "finite there is wrong. Often 0/0 or 0·inf in a formula that should have a special case."),
    "GC104": Code("outside-subdifferential", "the derivative at a kink is not between the slopes on its "
                  "two sides",
                  "At a kink any value between the left and the right slope may be defended as a "
                  "subgradient. This one lies outside, and is not what the chain rule gives with one slope for each "
                  "tie (relu'(0) = 0), either: that is told as a kink, GC201."),
    "GC105": Code("call-order", "the derivative depends on what was called before",
                  "Called again with the same argument after a call at another point the derivative "
                  "differs, or it is the same at two points where the function has different slopes: a "
                  "stale cache, or state left by an earlier forward pass."),
    "GC106": Code("autodiff-and-measurement-disagree", "autodiff and the measurement disagree",
                  "No hand-written derivative was given, so this says nothing of yours: the derivative that "
                  "gradcheck's autodiff computes and the one that finite differences measure are two. Either "
                  "autodiff is wrong, or the function hides something from it (numbers that pass through "
                  "text, files or other processes), or it is one that differences cannot follow: it "
                  "rounds, jumps, or oscillates faster than the steps. Please report it with the function."),
    "GC107": Code("complex-derivative", "the derivative of a real function is complex",
                  "The function and its argument are real, but the derivative has an imaginary part: left over "
                  "from a complex step, perhaps, or a missing real part."),
    "GC108": Code("asymmetric", "the Hessian is not symmetric",
                  "The second derivatives of a function whose Hessian is continuous do not depend on their order, so "
                  "that H[i, j] and H[j, i] are one number. Here they are two: one of them, at least, is wrong."),
    "GC109": Code("same-everywhere", "the derivative is the same at two points where it should not be",
                  "At two points the hand-written derivative returns exactly the same, while that of the function "
                  "changes: a cache that does not look at its argument, a value that was computed once, or a "
                  "derivative from which all that depends on the argument is missing."),
    "GC110": Code("not-linear", "the Hessian-vector product is not linear in the vector",
                  "A product of a matrix with a vector is linear: H(au + v) = aHu + Hv. The hand-written one "
                  "is not, so it is the product with no matrix; a vector that is normalised, squared or used "
                  "as if it were the point does that."),
    "GC111": Code("sign-flipped", "the derivative has the wrong sign",
                  "Every wrong entry is the right one times -1. Often a minus that belongs to the function (a "
                  "negative log-likelihood, -x) was forgotten in the derivative, or f is a reward where a loss "
                  "was meant."),
    "GC112": Code("constant-factor", "the derivative is wrong by a constant factor",
                  "All wrong entries are the right ones times the same number. 2 and 1/2 come from squares; n and "
                  "1/n from sums that should be means, and means that should be sums. The message says which "
                  "length the number is, if it is one."),
    "GC113": Code("transposed", "the derivative is transposed",
                  "Transposed, the given derivative is right. A Jacobian has the outputs first and the inputs "
                  "last; the gradient with respect to a matrix has the matrix's own shape."),
    "GC114": Code("single-entry", "one entry is wrong, the others are right",
                  "Look at what is special about that index: a boundary, a copied line, an off-by-one. If there "
                  "is something to say of the number itself, it is in another finding."),
    "GC115": Code("detached", "the derivative is zero where the function is not constant",
                  "All wrong entries are exactly zero: a term was forgotten, or its derivative was lost on the way "
                  "(a copy into a plain array, a detach, a loop that ends early)."),
    "GC116": Code("missing-regulariser", "the derivative lacks that of a penalty",
                  "The difference is a multiple of the argument, or of its sign: the derivative of a penalty "
                  "lam/2 sum x^2 or lam sum |x| (in a Hessian: a multiple of the identity), which was left out, "
                  "counted twice, or has another weight than in the function."),
    "GC117": Code("constant-offset", "the derivative is off by a constant",
                  "All wrong entries differ from the right ones by the same number: the derivative of a linear term, "
                  "c sum x, is missing or there twice, or a 1 was lost (d(x + g(x))/dx = 1 + g'(x))."),
    "GC118": Code("shifted-index", "the entries are shifted by one index or a few",
                  "Every entry holds the number that belongs beside it: an index that starts at 1, a slice that is "
                  "off by one, np.roll with the wrong sign."),
    "GC119": Code("permuted-index", "the entries are in another order",
                  "The right numbers are all there, in other places, and there is only one order in which they fit. "
                  "Compare the order of the parameters in the function and in its derivative."),
    "GC120": Code("axes-swapped", "the axes of the derivative are in the wrong order",
                  "With its axes in another order the derivative is right. The axes of the value come first, in their "
                  "order, then those of the argument; look at the output subscripts of einsum, at transpose and "
                  "at moveaxis."),
    "GC121": Code("memory-order", "the derivative was laid out in the other memory order",
                  "The entries are right but were flattened or reshaped column by column where row by row was "
                  "needed (order='F' and order='C', reshape(-1) of a transposed array, code that came from "
                  "Matlab, R or Fortran)."),
    "GC122": Code("missing-chain-factor", "a factor of the chain rule is missing",
                  "The ratio of the right entries to the given ones is a simple function of the argument, of the "
                  "value or of another argument, or one number at each point: an inner or outer derivative was left "
                  "out. Multiply by the factor that the message names."),
    "GC123": Code("missing-reduction", "the derivative was not reduced over a broadcast axis, or over one too many",
                  "What is broadcast in the function must be summed over in the derivative, and nothing else: the "
                  "gradient of a bias that is added to every row of a batch is the sum over the batch. "
                  "Look at the axis= and keepdims= of the sums."),
    "GC124": Code("overwritten", "contributions were overwritten, not accumulated",
                  "An argument that is used several times collects a contribution from each use. Here the derivative "
                  "holds only one of them: g[i] = ... where g[i] += ... was meant, or g[index] += ... with "
                  "repeated indices, where np.add.at is needed."),
    "GC125": Code("swapped-arguments", "the derivative is the one with respect to another argument",
                  "The derivative agrees in all entries with the derivative with respect to another argument. "
                  "Check argnum, the order of the returned derivatives, and copied lines."),
    "GC126": Code("float32", "the derivative was computed in float32",
                  "All its entries are float32 numbers, and they are right to that precision only. If that is "
                  "meant, give a tolerance with --rtol; if not, look for astype, dtype= and the defaults of a "
                  "library."),
    "GC127": Code("wrong-branch", "the derivative takes the wrong branch",
                  "The derivative is right on one side of a boundary and wrong on the other, at the points of the "
                  "check and at further ones: it is that of one branch of the function (abs, maximum, where, if) "
                  "and ignores the other, or takes the condition the wrong way round."),
    "GC128": Code("missing-conjugate", "the derivative is the complex conjugate of the right one",
                  "The real parts are right and the imaginary parts have the wrong sign: a conj() is missing or is one "
                  "too many (vdot conjugates its first argument, dot does not; .T is not .conj().T)."),
    "GC129": Code("one-line", "one row or column is wrong, the others are right",
                  "All wrong entries belong to one output, one input, or one row or column of the argument. Look at "
                  "the statement that fills it."),
    "GC130": Code("diagonal-only", "only the diagonal is there",
                  "The entries off the diagonal are zero and should not be: every output was taken to depend on its "
                  "own input only. Softmax, normalisation and everything with a sum mixes them."),
    "GC131": Code("off-diagonal-only", "the diagonal is missing",
                  "The entries off the diagonal are right, those on it are zero and should not be: a term with the "
                  "Kronecker delta was forgotten, or np.fill_diagonal(..., 0) is one too many."),
    "GC132": Code("normalised", "the derivative was normalised or clipped",
                  "Its direction is right and its length does not depend on the point, or all entries beyond a limit "
                  "were cut to it: gradient clipping or a unit vector belongs to the optimiser, not to the "
                  "derivative."),
    "GC133": Code("value-returned", "the value was returned instead of the derivative",
                  "The derivative equals the function's value, or the argument: the wrong variable was returned."),
    "GC134": Code("one-triangle", "one triangle of a square derivative is missing",
                  "The entries on one side of the diagonal are zero and should not be: a symmetric matrix was "
                  "filled on one side and never mirrored."),
    "GC141": Code("missing-term", "the derivative lacks a term of the function",
                  "What autodiff gives with one operand on this line left out is what the hand-written derivative "
                  "returns, in every entry at several points: its derivative was forgotten."),
    "GC142": Code("flipped-term", "the derivative has a term of the function with the wrong sign",
                  "With the sign flipped of what flows through one operand on this line, autodiff gives what the "
                  "hand-written derivative returns, in every entry at several points."),
    "GC143": Code("double-counted-term", "the derivative counts a term of the function twice",
                  "With what flows through one operand on this line doubled, autodiff gives what the hand-written "
                  "derivative returns, in every entry at several points."),
    "GC144": Code("scaled-term", "the derivative has a term of the function with a wrong factor",
                  "With what flows through one operand on this line multiplied by a constant, autodiff gives what the "
                  "hand-written derivative returns, in every entry at several points."),
    "GC145": Code("missing-local-factor", "the derivative lacks a factor of the chain rule",
                  "Without (a factor of) the local derivative of one operation on this line, or with something that "
                  "stands in the expression as a factor too much, autodiff gives what the hand-written derivative "
                  "returns, in every entry at several points."),
    "GC146": Code("wrong-custom-rule", "a derivative rule of the user's own is wrong",
                  "The function goes through a primitive with a rule of the user's own (defvjp, defjvp). At one of the "
                  "calls that the function makes the rule differs from the finite differences of that "
                  "primitive alone. The first such call is named."),
    "GC150": Code("unexpected-verdict", "the check has another verdict than it was declared with",
                  "The check is declared with expect = \"fail\" (or \"inconclusive\") and does not. The mistake that "
                  "it stood for has been mended, perhaps, or is no longer reached by the points of the check. Take the "
                  "expectation out of the declaration, or look at why the check no longer shows it."),
    "GC201": Code("kink", "the function has a kink at the point",
                  "The slopes on the two sides of the point differ, so there is no derivative to compare "
                  "with. Check beside the kink."),
    "GC202": Code("undecided", "the measurement cannot decide",
                  "Noise or curvature of the function leaves an error bar that is too wide to call the "
                  "entry right or wrong. The resolution of the entry is the smallest error that could "
                  "have been seen."),
    "GC203": Code("not-measurable", "the derivative could not be measured",
                  "The function is not finite on either side of the point, however short the step."),
    "GC204": Code("rough-function", "the function jumps by tiny amounts, and the difference is no larger "
                  "than they explain",
                  "An iteration stopped at a tolerance, adaptive quadrature or an adaptive integrator is "
                  "piecewise smooth. Between two jumps its slope is not quite that of the function it "
                  "approximates, so a derivative that "
                  "differs by so little can be neither confirmed nor refuted. A tighter tolerance inside "
                  "the function decides."),
    "GC205": Code("jump", "the function jumps at the point, or its slope is infinite there",
                  "The difference of the slopes on the two sides grows as the step shrinks."),
    "GC206": Code("vacuous", "the derivative is zero at every point, so nothing was verified",
                  "The function does not change with the argument at any of the points, and a hand-written "
                  "derivative that is zero there may be anything elsewhere. Give a point where the function "
                  "does change."),
    "GC207": Code("approximate", "the function is an approximation, and what was seen is within its accuracy",
                  "The function goes through an adaptive integrator or an iteration (solve_ivp, minimize). What it "
                  "returns is smooth in the arguments, but its slopes are those of the exact solution only up to the "
                  "tolerances. Differences measure the former, derivatives are of the latter; the error bars are "
                  "widened by what is to be expected. Tighten the tolerances inside the function to decide it."),
    "GC208": Code("budget-spent", "the budget was spent before all was decided",
                  "The check was given so many evaluations or so much time (--budget) and has used them up. What it "
                  "has decided by then stands; the rest is open."),
    "GC209": Code("rounding-beside-others", "an output is zero but for rounding, beside the others",
                  "This output, and its derivative, are smaller than the rounding errors of the other outputs. They "
                  "may be rounding themselves (cos(pi/2) is 6e-17), so that a difference means nothing, or small for "
                  "their units (a charge in coulombs). Check that output alone, or in units in which it is of size 1."),
    "GC210": Code("values-alone", "values of the function alone say too little of a large second derivative",
                  "A Hessian-vector product of many inputs is measured by differences of a gradient: autodiff's, or a "
                  "hand-written one that values of the function confirm. There is neither, and v·Hv along a few random "
                  "directions, all that second differences of the function can tell, is not enough to pass it."),
    "GC211": Code("unfinished", "a solver gave up at the point",
                  "A solver of SciPy that the function calls reported failure at the point (success is False, or "
                  "odeint warned), and the function went on with what it returned, which is no solution: its "
                  "differences say nothing about the derivative. Nothing is called wrong there unless autodiff says "
                  "the same as the measurement. Check where the solver succeeds, or relax its options."),
    "GC301": Code("mutated-input", "the function changes its argument",
                  "The function writes into an array that it was given. The check works on copies and "
                  "goes on; callers may not."),
    "GC302": Code("mutated-input-by-derivative", "the derivative changes its argument",
                  "The hand-written derivative writes into an array that it was given. The check works on "
                  "copies and goes on."),
    "GC303": Code("autodiff-disagrees", "the autodiff core disagrees with the derivative and the measurement",
                  "The hand-written derivative and the measurement agree, autodiff stands alone. Either "
                  "the function hides something from the trace or gradcheck has a bug; please report it."),
    "GC304": Code("no-autodiff", "the autodiff core cannot follow the function",
                  "The hand-written derivative was compared with the measurement alone. The message names "
                  "the operation and the line."),
    "GC305": Code("traced-value-differs", "the function returns another value while it is traced",
                  "The function behaves differently on traced arrays, so the autodiff derivative may be "
                  "of another branch. Look for type checks and caches."),
    "GC306": Code("integer-promoted", "an integer argument was promoted to float",
                  "Derivatives are taken at float arguments; the function was called with floats of the "
                  "same value."),
    "GC307": Code("shape-forgiven", "the derivative has another shape, with the same entries in the same order",
                  "It has extra or missing axes of length one, or is the matrix of all outputs by all inputs. It was "
                  "reshaped for the comparison; code that uses it may broadcast it into something else."),
    "GC308": Code("sampled", "only a sample of the entries was checked",
                  "With many inputs the check takes random directions and a sample of coordinates. An "
                  "error in one entry that is not sampled shows in the directions only if it is larger "
                  "than their resolution. Where a hand-written derivative and autodiff agree in every entry, "
                  "a few directions through all inputs confirm what both say."),
    "GC309": Code("call-order-untested", "the derivative could not be called at a second point",
                  "The derivative raised beside the point, so a stale cache could not be looked for."),
    "GC310": Code("autodiff-modes-disagree", "forward and reverse mode of autodiff disagree",
                  "Along one random direction both modes must give one number. Here they give two: the "
                  "function changed an array that was needed for the reverse sweep (a scratch buffer that "
                  "lives outside of the function), or gradcheck has a bug; please report it. Autodiff was not "
                  "used as a witness, and nothing of this says that a derivative of yours is wrong."),
    "GC311": Code("elementwise", "the derivative was taken for the diagonal of the Jacobian",
                  "The function returns as many numbers as it takes, and the derivative one slope for each. The "
                  "check takes all other entries of the Jacobian for zero, and verifies that they are."),
    "GC312": Code("constant", "the function does not change with this argument at any of the points",
                  "Every derivative is zero, measured and computed, and no value that the function returns depends on "
                  "the argument, or there is no derivative of yours to be verified. If the function is not constant, "
                  "give a point where it changes."),
    "GC313": Code("shared-memory", "the value lies in the memory of an argument",
                  "The function, or the derivative, returns its argument or a view of it (a slice, a transpose, "
                  "reshape). Whoever writes into the value writes into the argument. The check works on copies."),
    "GC314": Code("reused-buffer", "the same array is returned each time, filled anew",
                  "A function that keeps a buffer for its value returns the same array from every call, so that a "
                  "value that was kept changes with the next call: an optimiser that compares two gradients "
                  "compares one with itself. The check works on copies."),
    "GC315": Code("symmetric-argument", "the derivative is that for symmetric changes of a symmetric matrix",
                  "Functions such as eigvalsh and cholesky read one triangle of their argument. Their derivative with "
                  "respect to the entries has zeros in the other triangle, and sums in this one; a formula for "
                  "symmetric matrices gives a symmetric derivative. Both say the same of symmetric changes, and that "
                  "was verified. An optimiser that changes all entries on their own needs the other one."),
    "GC316": Code("not-vectorized", "the function does not take many points at once",
                  "With --vectorized (vectorized=True) one call evaluates many points: the differentiated argument "
                  "gets one further axis, along which the points stand, the other arguments stay as they are, and "
                  "the value must have one further axis. Both are the first axis (argument (k, n), value (k, ...), as "
                  "in NumPy's generalised ufuncs) or both the last ((n, k) and (..., k), as in scipy.differentiate and "
                  "scipy.optimize.differential_evolution); of a number it is an array (k,). A few points are "
                  "compared with single calls first. Here they differ, so that the function was called point "
                  "by point."),
    "GC317": Code("gradient-unconfirmed", "the hand-written gradient was not used",
                  "Where autodiff cannot follow the function, second derivatives are measured by differences of "
                  "the hand-written gradient, if values of the function confirm that gradient. Here they do "
                  "not: check it with --order 1."),
    "GC318": Code("measured-from-your-gradient", "the measurement trusts the hand-written gradient",
                  "Autodiff cannot follow the function, so the second derivative was measured by differences "
                  "of the hand-written gradient, which values of the function confirm along random directions. Where "
                  "it fails, one of the two is wrong: check the gradient with --order 1 first."),
    "GC330": Code("unused-ignore", "an ignore ignores nothing",
                  "A comment `# gradcheck: ignore[...]` or the ignore of a declared check names a code that none of "
                  "the checks has found in this run, that there is not, or that cannot be ignored. What ignores "
                  "nothing today hides something tomorrow: take it out."),
}  # fmt: skip


def kind(code: str) -> str:
    """The short name of a code.

    >>> kind("GC101")
    'wrong-derivative'
    """
    return CODES[code].kind
