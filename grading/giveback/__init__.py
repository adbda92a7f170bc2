"""Marks and feedback go back to the system that the notebooks came from."""
