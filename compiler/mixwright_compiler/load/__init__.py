"""From files to a world of names: imports, parameters, constants."""
