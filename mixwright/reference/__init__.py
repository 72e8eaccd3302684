"""The generated pages of the manual: kinds, diagnostics, constraints, commands."""
