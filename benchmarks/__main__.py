"""Run the benchmarks, each a module here with a `main()` that prints its table."""

import importlib
import pkgutil
import sys

import benchmarks

NAMES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]


def main(chosen):
    unknown = set(chosen) - set(NAMES)
    if unknown:
        sys.exit(f"make bench: expected ONLY= one of {', '.join(NAMES)}, found {', '.join(sorted(unknown))}")
    for name in chosen or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{name}: {module.__doc__.splitlines()[0]}")
        module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
