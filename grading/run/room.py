"""An examination's room."""
