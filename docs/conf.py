"""Settings of the site: ``python -m sphinx -W -b html docs OUT``, at the root of the checkout, with the extra ``docs``.

Nothing is downloaded, by the build or by its readers. Generated sources go to ``docs/generated``.
"""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "extensions"), str(ROOT / "backends"), str(ROOT)]
# The experiments of the gallery are small: compiling, and threads that wait for each other, would take longer.
os.environ |= {"GPUNET_COMPILE": "never", "GPUNET_BACKEND": "numpy"}
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import formulas  # noqa: E402
import stored_results  # noqa: E402

import gpunet  # noqa: E402

project = "gpunet"
author = "the authors of gpunet"
version = release = gpunet.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "pictures",
    "experiments",
    "stored_results",
]
exclude_patterns = ["generated/experiments"]
templates_path = ["templates"]

myst_enable_extensions = ["dollarmath", "substitution"]
myst_heading_anchors = 3
myst_substitutions = stored_results.substitutions() | formulas.substitutions()

nitpicky = True
nitpick_ignore_regex = [("py:.*", r"sklearn\..*")]  # of another site, which the build does not ask
autodoc_typehints = "none"  # the docstrings say more
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": [str(DOCS / "generated" / "experiments")],
    "gallery_dirs": [str(DOCS / "generated" / "gallery")],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("experiments.scrape",),
    "reset_modules": ("experiments.reset",),
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 3600,
    "write_computation_times": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "gpunet"
html_math_renderer = "mathml"
# Pages without others below them
html_sidebars = {"fast": [], "promises": [], "tables-accuracy": [], "robustness": []}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the authors of gpunet. MIT licence"
