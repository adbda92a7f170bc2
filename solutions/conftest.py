"""For nbval: explorers have random names."""



def pytest_collectstart(collector):
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("text/html",)
