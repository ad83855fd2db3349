"""Every estimator passes scikit-learn's own conformance checks."""

from sklearn.utils.estimator_checks import parametrize_with_checks

import latentome as lt

# Whole-batch steps and no held-out rows: each check fits data of another shape, and a shorter program compiles faster.
SMALL = {"n_components": 2, "max_epochs": 2, "batch_size": 1000, "validation_fraction": 0.0, "random_state": 0}


@parametrize_with_checks(
    [
        lt.LinearAutoencoder(**SMALL),
        lt.DeepAutoencoder(**SMALL, hidden=(3,)),
        lt.DenoisingAutoencoder(**SMALL),
        lt.NonlinearPCA(**SMALL, hidden=(3,), noise=0.0, dropout=0.0, patience=None),
        lt.VariationalAutoencoder(**SMALL, hidden=()),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
