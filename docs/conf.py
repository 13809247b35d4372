"""How Sphinx builds the documentation: ``make docs``.

The source directory is the whole project, so that documents may link to what stands beside the code. Only those
are read, and every warning is an error (Makefile).
"""

project = "conductor-trio"
author = "the conductor-trio developers"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "docs/**.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "conductor_trio/ARCHITECTURE.md",
]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = "conductor-trio"
html_static_path = []
html_copy_source = False
html_show_sphinx = False
