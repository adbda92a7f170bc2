"""What instructors run: plug-ins for nbgrader. Nothing here is needed by a student."""
