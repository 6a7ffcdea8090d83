"""Arrays of other libraries."""

import pytest

import gpunet as gn
from estimator_data import rows


@pytest.fixture(params=["torch", "strict", pytest.param("jax", marks=pytest.mark.slow), "readonly"])
def library(request):
    try:
        return gn.get_backend(request.param)
    except gn.BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def there():
    """The rows in another library."""
    return gn.get_backend("readonly").from_host(rows(), "cpu")
