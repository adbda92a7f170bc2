"""What nobody trusts is run: the jail, and the kernels in it."""
