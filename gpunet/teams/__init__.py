"""Several processes that train one network: engines, and what they agree on."""
