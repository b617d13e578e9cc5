"""Every table and figure of the paper, measured and drawn, on one page."""
