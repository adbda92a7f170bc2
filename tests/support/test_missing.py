"""CI proves what it claims to: there a test that lacks its tools fails."""

import pytest

from tests.support import missing


@pytest.mark.parametrize("ci, outcome", [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(ci, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no bubblewrap"):
        missing("no bubblewrap")
