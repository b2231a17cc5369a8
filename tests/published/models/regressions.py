"""Discrete choice models of statsmodels: log-likelihoods with hand-written scores and Hessians."""

import numpy as np
import statsmodels.api as sm

rng = np.random.default_rng(0)
X = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
yes = (rng.uniform(size=30) < 1 / (1 + np.exp(-X @ [0.3, 1.0, -0.5]))).astype(float)
count = rng.poisson(np.exp(X @ [0.3, 0.5, -0.5])).astype(float)
logit, probit, poisson = sm.Logit(yes, X), sm.Probit(yes, X), sm.Poisson(count, X)
negative_binomial = sm.NegativeBinomial(count, X)
