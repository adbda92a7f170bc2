"""A download becomes submissions: whose each file is, and a notebook of whatever an editor or an LMS made of it."""
