"""An answer is put back in its place: a student's cells into the pristine release."""
