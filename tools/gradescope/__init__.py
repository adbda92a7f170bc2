"""Autograders for Gradescope: a zip for each notebook, and what is run in it."""
