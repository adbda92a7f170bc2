"""For nbval: the answers of hidden tests depend on the machine's last digits, and explorers have random names."""

from helpers.settings import PROBE_MIME


def pytest_collectstart(collector):
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += (PROBE_MIME, "text/html")
