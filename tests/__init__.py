"""Tests of conductor-trio, one file for each module at the mirrored place; what several share is in `support`."""

import pytest

# Assertions there are to tell as much as those in tests.
pytest.register_assert_rewrite("tests.support", "tests.doubles")
