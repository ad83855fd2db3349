"""Every estimator passes scikit-learn's own conformance checks."""

import latentome as lt
from sklearn.utils.estimator_checks import parametrize_with_checks

SMALL = {"n_components": 2, "max_epochs": 2, "batch_size": 16, "random_state": 0}


@parametrize_with_checks(
    [
        lt.LinearAutoencoder(**SMALL),
        lt.DeepAutoencoder(**SMALL, hidden=(3,)),
        lt.DenoisingAutoencoder(**SMALL),
        lt.VariationalAutoencoder(**SMALL, hidden=()),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
