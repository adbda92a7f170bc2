"""`make site`: the course as people read it, a static site in build/site/."""
