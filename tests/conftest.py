"""The closing line of the test suite: how many of the bank's answers were judged as they should be."""


def pytest_terminal_summary(terminalreporter):
    counts = {}
    for name in ("wrong_answer_is_named", "right_answer_passes"):
        reports = [report for outcome in ("passed", "failed", "error")
                   for report in terminalreporter.stats.get(outcome, [])
                   if f"test_misconceptions.py::test_a_{name}[" in report.nodeid and report.when == "call"]
        counts[name] = f"{sum(report.passed for report in reports)}/{len(reports)}"
    if set(counts.values()) != {"0/0"}:
        terminalreporter.write_line(f"misconceptions: wrong caught by name {counts['wrong_answer_is_named']}, "
                                    f"right passed {counts['right_answer_passes']}")
