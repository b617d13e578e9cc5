"""The nets in PyTorch and their training. Nothing at run time imports this package: see imgcrypt.runtime."""
