"""Published code that knows nothing of gradcheck, checked by the command line: packages of the ``published`` extra.

Optimisation benchmarks, line shapes, pipe flow, vapour pressures, colour spaces, solar cells, option prices,
likelihoods, interatomic forces. Where the package has a derivative of its own, that is on trial. What is not installed
is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

LINE_SHAPES = [
    "gaussian", "lorentzian", "voigt", "pvoigt", "moffat", "pearson4", "pearson7", "breit_wigner", "damped_oscillator",
    "doniach", "dho", "students_t", "skewed_gaussian", "skewed_voigt", "expgaussian", "lognormal", "exponential",
    "powerlaw", "thermal_distribution",
]  # fmt: skip
BENCHMARKS = [
    "rosenbrock", "ackley", "rastrigin", "griewank", "bent_cigar", "discus", "elliptic", "happy_cat", "hgbat",
    "expanded_griewank_rosenbrock", "zakharov", "levy", "schaffer_f7", "modified_schwefel",
]  # fmt: skip
OPTION = ["--at", 'flag="c"; S=100.; K=90.; t=.5; r=.01; sigma=.2', "--argnum", "S", "--argnum", "sigma"]
COLOUR = ["--at", "[0.2065, 0.1219, 0.0513]"]
CELL = "voltage=20.; photocurrent=7.; saturation_current=6e-7; resistance_series=.1; resistance_shunt=20.; nNsVth=.5"
REGRESSION = "models/regressions.py"

# package that must be there, targets, further arguments
CASES: list[tuple[str, list[str], list[str]]] = [
    ("opfunu", [f"opfunu.utils.operator:{name}_func" for name in BENCHMARKS], ["--shape", "x=(4,)", "--points", "2"]),
    ("lmfit", [f"lmfit.lineshapes:{name}" for name in LINE_SHAPES], ["--argnum", "all", "--points", "1"]),
    ("fluids", [f"fluids.friction:{n}" for n in ("Colebrook", "Haaland", "Clamond")], ["--at", "Re=1e5; eD=1e-4"]),
    ("chemicals", ["chemicals.vapor_pressure:Antoine"], ["--at", "T=100.; A=8.95894; B=510.595; C=-15.95"]),
    ("chemicals", ["chemicals.virial:BVirial_Pitzer_Curl"],
     ["--at", "T=510.; Tc=425.2; Pc=38e5; omega=0.193", "--argnum", "all"]),
    ("chemicals", ["chemicals.rachford_rice:Rachford_Rice_flash_error"],
     ["--at", "V_over_F=.5; zs=[0.5, 0.3, 0.2]; Ks=[1.685, 0.742, 0.532]"]),
    ("colour", [f"colour.models:XYZ_to_{space}" for space in ("Lab", "Luv", "Oklab", "sRGB")], COLOUR),
    ("colour", ["colour.difference:delta_E_CIE2000"],
     ["--at", "Lab_1=[48.99, -0.105, 400.65]; Lab_2=[50.65, -0.116, 402.82]"]),
    ("pvlib", ["pvlib.irradiance:aoi_projection"],
     ["--at", "surface_tilt=30.; surface_azimuth=180.; solar_zenith=40.; solar_azimuth=160.", "--argnum", "all"]),
    ("pvlib", ["pvlib.temperature:sapm_cell"],
     ["--at", "poa_global=900.; temp_air=20.; wind_speed=5.; a=-3.47; b=-.0594; deltaT=3.", "--argnum", "all"]),
    ("pvlib", ["pvlib.pvsystem:i_from_v"], ["--at", CELL, "--argnum", "all"]),
    ("py_vollib", ["py_vollib.black_scholes:black_scholes"], OPTION),
    ("py_vollib", ["py_vollib.ref_python.black_scholes:black_scholes"], OPTION),
    ("sklearn", ["models/kernels.py:likelihood"], ["--grad", "returned", "--at", "[.4, -.7, -.3, -2.]"]),
    ("sklearn", ["models/kernels.py:value"], ["--at", "[.4, -.7, -.3, -2.]"]),
    *[("statsmodels", [f"{REGRESSION}:{model}.loglike"],
       ["--grad", f"{REGRESSION}:{model}.score", "--at", "[.2, .3, -.1]"]) for model in ("logit", "probit", "poisson")],
    ("statsmodels", [f"{REGRESSION}:negative_binomial.loglike"],
     ["--grad", f"{REGRESSION}:negative_binomial.score", "--at", "[.2, .3, -.1, .5]"]),
    ("statsmodels", [f"{REGRESSION}:logit.loglike"],
     ["--order", "2", "--grad", f"{REGRESSION}:logit.hessian", "--at", "[.2, .3, -.1]"]),
    ("ase", ["models/atoms.py:energy"],
     ["--grad", "models/atoms.py:minus_forces", "--at", "atoms:start", "--pythonpath", "models"]),
    ("filterpy", ["models/tracking.py:minus_log_likelihood"], ["--at", "0.3"]),
]  # fmt: skip


@pytest.mark.parametrize(("package", "targets", "arguments"), CASES, ids=[targets[0] for _, targets, _ in CASES])
def test_published_code_passes(package: str, targets: list[str], arguments: list[str]) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[published]'")
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", *targets, *arguments],
        cwd=HERE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert done.stdout.count("PASS") >= len(targets)
