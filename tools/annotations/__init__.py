"""Other programs' annotations become a data set of the course, and predictions go back to be corrected by hand."""
