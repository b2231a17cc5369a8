"""The marginal likelihood of a Gaussian process in scikit-learn, which returns its gradient beside it."""

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

rng = np.random.default_rng(0)
X = rng.uniform(size=(12, 2))
y = np.sin(4 * X[:, 0]) + X[:, 1]
gp = GaussianProcessRegressor(ConstantKernel(1.5) * RBF([0.5, 0.7]) + WhiteKernel(0.1), optimizer=None).fit(X, y)


def likelihood(theta):
    return gp.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)


def value(theta):
    return gp.log_marginal_likelihood(theta, clone_kernel=False)
