"""An example and a remedy for every code, for ``gradcheck --explain CODE``.

Plain data beside ``explain.py``; what the codes mean is in ``check/codes.py``. An example that begins with ``$
gradcheck`` is a file model.py and the command that gives this code for it; the tests run them all. NumPy is ``np``.
"""

from __future__ import annotations

from typing import NamedTuple


class Help(NamedTuple):
    """What the code looks like, and what to do."""

    example: str
    remedy: str


HELP: dict[str, Help] = {
    "GC000": Help(
        "gradcheck failed: KeyError: 'x'",
        "Report it with the output of --traceback; meanwhile another point, or --no-autodiff, may get round it.",
    ),
    "GC001": Help(
        "$ gradcheck model.py:f --order 3\ndef f(x):\n    return x**2",
        "Mend the option that the message names; gradcheck -h lists them.",
    ),
    "GC002": Help(
        "$ gradcheck model.py:g\ndef f(x):\n    return x**2",
        "Correct the name or the path; of a class with arguments make an object at the top of the module.",
    ),
    "GC003": Help(
        "$ gradcheck model.py:f\nimport nosuch\n\ndef f(x):\n    return x**2",
        'Run gradcheck from the environment that has the package, and keep scripts under if __name__ == "__main__".',
    ),
    "GC004": Help(
        "$ gradcheck model.py:f --grad f_gard\ndef f(x):\n    return x**2\n\ndef f_grad(x):\n    return 2 * x",
        "Name a function beside f, or module:function, that takes the arguments of f.",
    ),
    "GC005": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2'\ndef f(x):\n    return np.sum(x**2)",
        "Write values as in --at 'x=[1, 2]; t=zeros(3)', or read them from a file: --at @point.npz.",
    ),
    "GC006": Help(
        "$ gradcheck model.py:f\ndef f(config):\n    return config['a']['b'].value",
        "Give the point with --at, in [[tool.gradcheck.check]] or with @gradcheck.case(at=...).",
    ),
    "GC007": Help(
        "$ gradcheck model.py:f --argnum n\ndef f(x, n='cubic'):\n    return np.sum(x**3)",
        "Name an argument that holds floats; --argnum all takes every one that does.",
    ),
    "GC008": Help(
        "[tool.gradcheck]\nsed = 3\n\nGC008: unknown key 'sed' (pyproject.toml:2)\n  hint: did you mean 'seed'?",
        "Correct the file, the variable or the decorator at the place that is named; --show-settings tells what"
        " was read from where.",
    ),
    "GC010": Help(
        "$ gradcheck model.py:f --at x=-1\nimport math\n\ndef f(x):\n    return math.sqrt(x)",
        "Choose a point at which the function runs, or mend the function at the line that is named.",
    ),
    "GC011": Help(
        "$ gradcheck model.py:f --at x=1\ndef f(x):\n    x**2",
        "Return the value; of a function that returns (value, gradient) use --grad returned.",
    ),
    "GC012": Help(
        "$ gradcheck model.py:f --at x=1\ndef f(x):\n    return x * np.random.default_rng().normal()",
        "Seed the generator in the function, or take the draws as an argument.",
    ),
    "GC013": Help(
        "$ gradcheck model.py:f --at x=0\ndef f(x):\n    return np.log(np.float64(x))",
        "Give a point in the domain with --at.",
    ),
    "GC014": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    2 * x",
        "Return an array of the argument's shape.",
    ),
    "GC015": Help(
        "$ gradcheck model.py:f --at 'x=array([1+1j])'\ndef f(x):\n    return np.sum(abs(x) ** 2)",
        "Take the real and the imaginary part as two real arguments in a function of your own.",
    ),
    "GC016": Help(
        "$ gradcheck model.py:f --at x=1 --strict\n"
        "import ctypes.util\n\ncos = ctypes.CDLL(ctypes.util.find_library('m')).cos\n"
        "cos.restype, cos.argtypes = ctypes.c_double, [ctypes.c_double]\n\ndef f(x):\n    return cos(x)",
        "Write a derivative f_grad beside f, which is then compared with the measurement, or take out what cannot be"
        " followed (--strict refuses what could be differentiated numerically).",
    ),
    "GC017": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return x['a']",
        "Mend the derivative at the line that is named.",
    ),
    "GC018": Help(
        "gradcheck.check(lambda n: [1.0, 2.0, 4.0][n], 1)",
        "Choose another argument: one cannot differentiate by an integer.",
    ),
    "GC019": Help(
        "$ gradcheck model.py:f --at 'x=zeros(0)'\ndef f(x):\n    return np.sum(x**2)",
        "Give a point whose argument has entries.",
    ),
    "GC020": Help(
        "$ gradcheck model.py:f --order 2 --at 'x=[1, 2]'\ndef f(x):\n    return x**2",
        "Check the Hessian of one output at a time: a function that returns f(x)[0].",
    ),
    "GC021": Help(
        "$ gradcheck model.py:f --bounds 'x=(0, 1)' --at 'x=[0.5, 2.0]'\ndef f(x):\n    return np.sum(np.sqrt(x))",
        "Give a point inside of the bounds, or wider bounds.",
    ),
    "GC101": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return 2 * x + np.sin(x)",
        "Correct the entries of the table; the findings beside this one say what kind of mistake it looks like.",
    ),
    "GC102": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2, 3]'\n"
        "def f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return np.outer(2 * x, x)",
        "Return an array of the shape of the argument (value's shape first for functions with several outputs).",
    ),
    "GC103": Help(
        "$ gradcheck model.py:f --at 'x=[0, 1]'\n"
        "def f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return 2 * x**2 / x",
        "Treat the removable point on its own, with np.where on the argument and not only on the result.",
    ),
    "GC104": Help(
        "$ gradcheck model.py:f --at 'x=[0, 1]'\n"
        "def f(x):\n    return np.sum(np.abs(x))\n\ndef f_grad(x):\n    return np.where(x == 0, 3.0, np.sign(x))",
        "Return a value between the two slopes at the kink, as np.sign(x) does.",
    ),
    "GC105": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "cache = []\n\ndef f(x):\n    return np.sum(x**3)\n\n"
        "def f_grad(x):\n    if not cache:\n        cache.append(3 * x**2)\n    return cache[0]",
        "Let the cache compare its argument with np.array_equal, and copy what it keeps.",
    ),
    "GC106": Help(
        "$ gradcheck model.py:f --at 'x=[0.7, 1.3]'\n"
        "def f(x):\n    return (int(x[0] * 2.0**53) / 2.0**53) ** 2 + np.sum(x**2)",
        "Write a derivative f_grad to have it checked, look for rounding or a jump in f, and report it otherwise.",
    ),
    "GC107": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "def f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return 2 * x + 1j * x",
        "Return the real part, or the imaginary one over the step for a complex step.",
    ),
    "GC108": Help(
        "$ gradcheck model.py:f --order 2 --at 'x=[1, 2]'\n"
        "def f(x):\n    return x[0] ** 2 * x[1]\n\n"
        "def f_hess(x):\n    return np.array([[2 * x[1], 2 * x[0]], [x[0], 0.0]])",
        "Correct the entry that the measurement contradicts, and mirror it.",
    ),
    "GC109": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(x**3)\n\ndef f_grad(x):\n    return np.full(x.shape, 2.0)",
        "Compute the derivative from the argument of this call.",
    ),
    "GC110": Help(
        "$ gradcheck model.py:f --order 2 --at 'x=[1, 2]'\n"
        "def f(x):\n    return np.sum(x**4)\n\n"
        "def f_hessp(x, v):\n    return 12 * x**2 * v / np.linalg.norm(v)",
        "Return the Hessian times the vector as it is given.",
    ),
    "GC111": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return -np.sum(x**3)\n\ndef f_grad(x):\n    return 3 * x**2",
        "Multiply by -1, or differentiate the function that is minimised.",
    ),
    "GC112": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return x",
        "Multiply by the factor that is named.",
    ),
    "GC113": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2]'\n"
        "M = np.array([[1.0, 2.0], [3.0, 4.0]])\n\ndef f(x):\n    return M @ x**2\n\n"
        "def f_jac(x):\n    return (M * 2 * x).T",
        "Return the transpose: outputs first, inputs last.",
    ),
    "GC114": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**3)\n\n"
        "def f_grad(x):\n    g = 3 * x**2\n    g[0] += 1.7 * x[0]\n    return g",
        "Look at the code for that one index.",
    ),
    "GC115": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**3)\n\ndef f_grad(x):\n    return np.zeros_like(x)",
        "Add the derivative of the term on the line that is named.",
    ),
    "GC116": Help(
        "$ gradcheck model.py:f\n"
        "def f(w, lam=0.3):\n    return np.sum(np.sin(w)) + 0.5 * lam * np.sum(w**2)\n\n"
        "def f_grad(w, lam=0.3):\n    return np.cos(w)",
        "Add the derivative of the penalty, lam * w for 0.5 * lam * sum(w**2).",
    ),
    "GC117": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(x + np.sin(x) * x)\n\n"
        "def f_grad(x):\n    return np.sin(x) + x * np.cos(x)",
        "Add the constant that is named: the derivative of a linear term.",
    ),
    "GC118": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**3)\n\ndef f_grad(x):\n    return np.roll(3 * x**2, 1)",
        "Shift the index back, by as much as is said.",
    ),
    "GC119": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2, 2.3]'\n"
        "def f(x):\n    return x[0] ** 2 + x[1] ** 3 + np.exp(x[2])\n\n"
        "def f_grad(x):\n    return np.array([2 * x[0], np.exp(x[2]), 3 * x[1] ** 2])",
        "Put the entries into the order of the argument.",
    ),
    "GC120": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2]'\n"
        "def f(x):\n    return np.outer(x**2, x)\n\n"
        "def f_jac(x):\n    one = np.eye(2)\n"
        "    return np.einsum('ij,i,k->kij', one, 2 * x, x) + np.einsum('i,kj->kij', x**2, one)",
        "Put the axes of the value first, in their order, then those of the argument.",
    ),
    "GC121": Help(
        "$ gradcheck model.py:f --at 'W=[[1, 2, 3], [4, 5, 7]]'\n"
        "def f(W):\n    return np.sum(W**3)\n\n"
        "def f_grad(W):\n    return (3 * W**2).ravel(order='F').reshape(W.shape)",
        "Use one memory order for flattening and for reshaping.",
    ),
    "GC122": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(np.tanh(x))\n\n"
        "def f_grad(x):\n    return np.ones_like(x)",
        "Multiply by the factor that is named.",
    ),
    "GC123": Help(
        "$ gradcheck model.py:f --argnum b --at 'b=[1, 2]'\n"
        "X = np.array([[1.0, 2.0], [3.0, 5.0], [0.5, 1.5]])\n\n"
        "def f(b):\n    return np.sum((X + b) ** 2)\n\n"
        "def f_grad(b):\n    return 2 * (X + b)",
        "Sum over the axis that was broadcast: .sum(axis=0).",
    ),
    "GC124": Help(
        "$ gradcheck model.py:f --at 'x=[0.3, -0.2, 0.5, 0.1]; index=array([0, 2, 2, 1, 3, 2, 0])'"
        " --at 'x=[1.3, 0.7, -0.4, 2.1]; index=array([0, 2, 2, 1, 3, 2, 0])'\n"
        "def f(x, index):\n    return np.sum(np.arange(1, 8) * np.sin(x[index]))\n\n"
        "def f_grad(x, index):\n    g = np.zeros_like(x)\n    g[index] = np.arange(1, 8) * np.cos(x[index])\n"
        "    return g",
        "Accumulate with np.add.at(g, index, ...), or g[i] += ... in a loop.",
    ),
    "GC125": Help(
        "$ gradcheck model.py:f --argnum a --at 'a=[0.5, 1.2]; b=[2.1, 0.7]'\n"
        "def f(a, b):\n    return np.sum(a**2 * b**3)\n\n"
        "def f_grad(a, b):\n    return 3 * a**2 * b**2",
        "Differentiate by this argument, or check that one with --argnum.",
    ),
    "GC126": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**3)\n\n"
        "def f_grad(x):\n    return (3 * x.astype('float32') ** 2 * np.float32(1.00001)).astype(float)",
        "Compute in float64, or accept it with --rtol 1e-6.",
    ),
    "GC127": Help(
        "$ gradcheck model.py:f --at 'x=[-1.5, 0.7, -0.3, 2.2]'\n"
        "def f(x):\n    return np.sum(np.where(x > 0, x**2, 0.1 * x))\n\n"
        "def f_grad(x):\n    return 2 * x",
        "Take the branch of the function in the derivative: np.where with the same condition.",
    ),
    "GC128": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2]'\n"
        "c = np.array([1.0 + 2.0j, 0.5 - 1.0j])\n\n"
        "def f(x):\n    return c * x**2\n\n"
        "def f_jac(x):\n    return np.diag(np.conj(c) * 2 * x)",
        "Conjugate once more, or once less; vdot conjugates its first argument.",
    ),
    "GC129": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2, 2.0]'\n"
        "M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])\n\n"
        "def f(x):\n    return M @ np.sin(x)\n\n"
        "def f_jac(x):\n    J = M * np.cos(x)\n    J[1] = M[1] * np.sin(x) + 0.3\n    return J",
        "Look at the statement that fills that row or column.",
    ),
    "GC130": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2, 2.0]'\n"
        "def f(x):\n    e = np.exp(x)\n    return e / np.sum(e)\n\n"
        "def f_jac(x):\n    p = f(x)\n    return np.diag(p * (1 - p))",
        "Add the entries off the diagonal: -np.outer(p, p) for softmax.",
    ),
    "GC131": Help(
        "$ gradcheck model.py:f --at 'x=[0.5, 1.2, 2.0]'\n"
        "def f(x):\n    e = np.exp(x)\n    return e / np.sum(e)\n\n"
        "def f_jac(x):\n    J = -np.outer(f(x), f(x))\n    np.fill_diagonal(J, 0.0)\n    return J",
        "Add the term with the Kronecker delta: np.diag(p) for softmax.",
    ),
    "GC132": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.sum(x**3)\n\n"
        "def f_grad(x):\n    g = 3 * x**2\n    return g / np.linalg.norm(g)",
        "Return the gradient itself, and normalise or clip in the optimiser.",
    ),
    "GC133": Help(
        "$ gradcheck model.py:f\ndef f(x):\n    return np.exp(0.5 * np.sum(x**2))\n\n"
        "def f_grad(x):\n    return np.full(x.shape, f(x))",
        "Return the variable that holds the derivative.",
    ),
    "GC134": Help(
        "$ gradcheck model.py:f --order 2 --at 'x=[0.5, 1.2, 2.0]'\n"
        "def f(x):\n    return np.prod(x) + np.sum(x**3)\n\n"
        "def f_hess(x):\n    H = np.prod(x) / np.outer(x, x)\n    np.fill_diagonal(H, 6 * x)\n    return np.triu(H)",
        "Mirror the triangle: H + np.triu(H, 1).T.",
    ),
    "GC141": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(np.sin(x)) + np.sum(x * np.exp(-x))\n\n"
        "def f_grad(x):\n    return np.cos(x)",
        "Add the derivative of the term that is quoted.",
    ),
    "GC142": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(np.sin(x)) + np.sum(x * np.exp(-x))\n\n"
        "def f_grad(x):\n    return np.cos(x) - (1 - x) * np.exp(-x)",
        "Change the sign of the derivative of the term that is quoted.",
    ),
    "GC143": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(np.sin(x)) + np.sum(x * np.exp(-x))\n\n"
        "def f_grad(x):\n    return np.cos(x) + 2 * (1 - x) * np.exp(-x)",
        "Count the derivative of the term that is quoted once.",
    ),
    "GC144": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(np.sin(x)) + np.sum(x * np.exp(-x))\n\n"
        "def f_grad(x):\n    return np.cos(x) + 0.5 * (1 - x) * np.exp(-x)",
        "Correct the factor of the term that is quoted.",
    ),
    "GC145": Help(
        "$ gradcheck model.py:f\n"
        "def f(x):\n    return np.sum(x**2) + np.sum(np.sin(x**3))\n\n"
        "def f_grad(x):\n    return 2 * x + np.cos(x**3)",
        "Multiply by the local derivative of the operation that is quoted.",
    ),
    "GC146": Help(
        "$ gradcheck model.py:f\nimport gradcheck\n\n"
        "@gradcheck.primitive\ndef cube(x):\n    return x**3\n\n"
        "gradcheck.defvjp(cube, lambda value, x: lambda g: g * 2 * x**2)\n\n"
        "def f(x):\n    return np.sum(cube(x))",
        "Correct the rule of the primitive that is named.",
    ),
    "GC150": Help(
        '[[tool.gradcheck.check]]\ntarget = "model.py:loss"\nexpect = "fail"      # and loss_grad has been mended',
        "Take expect out of the declaration.",
    ),
    "GC201": Help(
        "$ gradcheck model.py:f --at 'x=[0, 1]'\ndef f(x):\n    return np.sum(np.maximum(x, 0.0))",
        "Give a point beside the kink; or, where the kink is meant, ignore it on the def:"
        " # gradcheck: ignore[GC201] why.",
    ),
    "GC202": Help(
        "$ gradcheck model.py:f --at x=1 --no-autodiff\n"
        "import math\n\ndef f(x):\n    return 1e10 + math.sin(x)\n\ndef f_grad(x):\n    return math.cos(x)",
        "Give a point of another scale, subtract large constants in f, or accept so much with --rtol.",
    ),
    "GC203": Help(
        "$ gradcheck model.py:f --at x=1 --grad f_grad\n"
        "def f(x):\n    return np.float64(1.0) if x == 1.0 else np.nan\n\ndef f_grad(x):\n    return 0.0",
        "Choose a point with finite values on both sides, or at least on one.",
    ),
    "GC204": Help(
        "an integral by adaptive quadrature, whose value jumps by 1e-9 as the number of panels changes",
        "Tighten the tolerance inside the function, or accept so much with --rtol.",
    ),
    "GC205": Help(
        "$ gradcheck model.py:f --at x=1\ndef f(x):\n    return x + (1.0 if x > 1 else 0.0)",
        "Give a point beside the jump.",
    ),
    "GC206": Help(
        "$ gradcheck model.py:f --at 'x=[-1, -2]'\n"
        "def f(x):\n    return np.sum(np.maximum(x, 0.0) ** 2)\n\ndef f_grad(x):\n    return 0.0 * x",
        "Give a point where the function changes.",
    ),
    "GC207": Help(
        "solve_ivp(rhs, (0, 1), y0) with its rtol of 1e-3, and a derivative of the exact solution",
        "Tighten the tolerances of the call that is named (rtol=1e-10).",
    ),
    "GC208": Help(
        "$ gradcheck model.py:f --budget 5 --at 'x=[1, 2, 3, 4]'\ndef f(x):\n    return np.sum(np.sin(x))",
        "Raise --budget, or check at fewer points.",
    ),
    "GC209": Help(
        "$ gradcheck model.py:f --at 'x=[0.3, 0.5]'\n"
        "def f(x):\n    return np.array([np.sin(x[0]) * np.cos(x[1]), np.cos(np.pi / 2) * x[0]])\n\n"
        "def f_jac(x):\n"
        "    return np.array([[np.cos(x[0]) * np.cos(x[1]), -np.sin(x[0]) * np.sin(x[1])], [0.0, 0.0]])",
        "Check that output alone, or give it units in which it is of size 1.",
    ),
    "GC210": Help(
        "a Hessian-vector product of many inputs, of a function that autodiff cannot follow and without a gradient",
        "Write the gradient beside the function, f_grad.",
    ),
    "GC211": Help(
        "$ gradcheck model.py:f --at x=[2.0]\n"
        "from scipy.integrate import solve_ivp\n\n"
        "def f(x):  # without an end at t = 1, if x is above 1\n"
        "    return solve_ivp(lambda t, y: y**2, (0.0, 1.0), x).y[0, -1]\n\n"
        "def f_grad(x):\n    return 1 / (1 - x) ** 2",
        "Check where the solver succeeds, with --at, and raise an error in the function where it does not.",
    ),
    "GC301": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\ndef f(x):\n    x *= 2\n    return np.sum(x**2)",
        "Work on a copy: x = 2 * x.",
    ),
    "GC302": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "def f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    x *= 2\n    return x.copy()",
        "Work on a copy: return 2 * x.",
    ),
    "GC303": Help(
        "a function that passes its numbers through text (float(str(x))), which autodiff takes for constants",
        "Keep to numbers inside of f, and report it if there is no such place.",
    ),
    "GC304": Help(
        "$ gradcheck model.py:f --at x=1 --strict\n"
        "import ctypes.util\n\ncos = ctypes.CDLL(ctypes.util.find_library('m')).cos\n"
        "cos.restype, cos.argtypes = ctypes.c_double, [ctypes.c_double]\n\ndef f(x):\n    return cos(x)\n\n"
        "def f_grad(x):\n    return -np.sin(x)",
        "Nothing need be done: the derivative is compared with the measurement. Without --strict a single call can be"
        " differentiated numerically.",
    ),
    "GC305": Help(
        "a function that looks whether type(x) is exactly that of an array, and does something else if not",
        "Ask with isinstance, or decide on values.",
    ),
    "GC306": Help(
        "$ gradcheck model.py:f\ndef f(n=3):\n    return n**2",
        "Give floats, n=3.0, or choose another argument with --argnum.",
    ),
    "GC307": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "def f(x):\n    return np.sum(x**2)\n\ndef f_grad(x):\n    return (2 * x)[None, :]",
        "Return the shape of the argument: ravel() it.",
    ),
    "GC308": Help(
        "$ gradcheck model.py:f --at 'x=linspace(1, 2, 400)'\ndef f(x):\n    return np.sum(x**3)",
        "Nothing need be done; --shape with fewer entries checks every one.",
    ),
    "GC309": Help(
        "a derivative that raises everywhere but at the point of the check",
        "Give the derivative a domain around the point, or a point inside of it.",
    ),
    "GC310": Help(
        "a function that writes into an array of its module, and reads it again later in the same call",
        "Make the buffer inside of the function.",
    ),
    "GC311": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "def f(x):\n    return np.sin(x)\n\ndef f_grad(x):\n    return np.cos(x)",
        "Nothing need be done; return np.diag(...) where a Jacobian is wanted.",
    ),
    "GC312": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\ndef f(x):\n    return 3.0",
        "Give a point where the function changes, or check another argument with --argnum.",
    ),
    "GC313": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\ndef f(x):\n    return x[::-1]",
        "Return a copy if callers write into the value.",
    ),
    "GC314": Help(
        "$ gradcheck model.py:f --at 'x=[1, 2]'\n"
        "out = np.zeros(2)\n\ndef f(x):\n    np.multiply(x, x, out=out)\n    return out\n\n"
        "def f_jac(x):\n    return np.diag(2 * x)",
        "Return a copy of the buffer, or make it in the function.",
    ),
    "GC315": Help(
        "$ gradcheck model.py:f --at 'A=[[2.0, 0.3], [0.3, 1.0]]'\n"
        "def f(A):\n    return np.linalg.eigvalsh(A)[0]\n\n"
        "def f_grad(A):\n    v = np.linalg.eigh(A)[1][:, 0]\n    return np.outer(v, v)",
        "Nothing need be done where A stays symmetric.",
    ),
    "GC316": Help(
        "$ gradcheck model.py:f --vectorized --at 'x=[1, 2, 3]'\ndef f(x):\n    return np.sum(x**2)",
        "Sum over the axis of the argument only, or leave --vectorized away.",
    ),
    "GC317": Help(
        "a function of compiled code with a wrong f_grad beside it, and --order 2",
        "Check the gradient first, with --order 1.",
    ),
    "GC318": Help(
        "a function of compiled code with a right f_grad beside it, and --order 2",
        "Nothing need be done; where the second derivative fails, check the gradient with --order 1.",
    ),
    "GC330": Help(
        "def f(x):  # gradcheck: ignore[GC201] relu\n    return np.sum(x**2)",
        "Take the ignore out.",
    ),
}
