"""Bundle adjustment: where cameras see points, against where the images show them.

A camera has 11 parameters: a rotation vector (3), a translation (3), the focal length, two
coefficients of radial distortion, and the image's center (2).  An observation depends on one camera
and one point: 14 of all the unknowns.
"""

import jax.numpy as jnp


def residuals(cameras, points, camera_index, point_index, observed):
    """Return the reprojection errors in pixels, shape (observations, 2)."""
    camera, point = cameras[camera_index], points[point_index]
    rotation, shift = camera[:, 0:3], camera[:, 3:6]
    focal, k1, k2, center = camera[:, 6:7], camera[:, 7:8], camera[:, 8:9], camera[:, 9:11]
    seen = rotated(rotation, point) + shift
    image = -seen[:, :2] / seen[:, 2:3]
    square = jnp.sum(image**2, axis=1, keepdims=True)
    return focal * (1 + k1 * square + k2 * square**2) * image + center - observed


def rotated(vector, point):
    """Rotate points about vectors by their lengths in radians (Rodrigues' formula)."""
    angle = jnp.sqrt(jnp.sum(vector**2, axis=1, keepdims=True))
    axis = vector / angle
    along = jnp.sum(axis * point, axis=1, keepdims=True)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return point * cosine + jnp.cross(axis, point) * sine + axis * along * (1 - cosine)
