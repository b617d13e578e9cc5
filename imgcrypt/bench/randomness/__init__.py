"""Raw keystream, and the batteries of statistical tests that read it."""
