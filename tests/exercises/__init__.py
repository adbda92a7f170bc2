"""Wrong and right answers, one module for each exercise."""
