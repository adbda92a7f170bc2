"""Is it right? Answers beside those of the reference, model files beside the goal, and what a person should look at."""
