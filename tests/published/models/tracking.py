"""The likelihood of a track under filterpy's Kalman filter, as a function of the noise of the model."""

import numpy as np
from filterpy.kalman import KalmanFilter


def minus_log_likelihood(q):
    kf = KalmanFilter(dim_x=2, dim_z=1)
    kf.x = np.array([0.0, 0.0])
    kf.F = np.array([[1.0, 1.0], [0.0, 1.0]])
    kf.H = np.array([[1.0, 0.0]])
    kf.P *= 10.0
    kf.R = 0.5
    kf.Q = np.eye(2) * q
    total = 0.0
    for z in [0.1, 0.9, 2.2, 2.9, 4.1]:
        kf.predict()
        kf.update(z)
        total += kf.log_likelihood
    return -total
