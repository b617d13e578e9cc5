"""The commands of the shell, a module each but for the shortest; imgcrypt.cli puts them together."""
