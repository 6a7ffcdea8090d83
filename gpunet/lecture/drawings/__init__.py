"""The figures of the experiments: for each script a module of the same name with ``draw`` and ``ALT``.

``ALT`` says what is drawn; what the figure shows depends on the run, so it is said by the sentences below the figure.
"""
