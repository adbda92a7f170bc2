"""What maintainers run, through the Makefile: the whole course, its release, its stored outputs."""
