"""What the notebooks import: data, reference answers, figures, checks."""
