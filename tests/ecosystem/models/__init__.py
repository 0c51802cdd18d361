"""The models, a module for each subject; importing the package registers all of them."""

from tests.ecosystem.models import (  # noqa: F401
    arrays,
    control_flow,
    custom_rules,
    differential_equations,
    distributions,
    equinox_networks,
    flax_networks,
    graphs,
    haiku_networks,
    linear_algebra,
    optimizers,
    random_numbers,
    signals,
    solvers,
    transformations,
)
