"""array-api-strict as a backend: whatever the standard does not promise fails here."""

import importlib.util
import sys

from gpunet.devices.backend import Backend


class StrictBackend(Backend):
    name = "strict"
    install = "pip install array-api-strict"

    def unavailable_reason(self):
        if importlib.util.find_spec("array_api_strict") is None:
            return "array-api-strict is not installed."
        return None

    def devices(self):
        return ["cpu"]

    def namespace(self):
        import array_api_strict

        return array_api_strict

    def owns(self, array):
        strict = sys.modules.get("array_api_strict")
        return strict is not None and isinstance(array, type(strict.empty(0)))

    def from_host(self, array, device):
        import array_api_strict

        return array_api_strict.asarray(array)

    def to_host(self, array):
        import numpy

        return numpy.asarray(array)


backend = StrictBackend()
