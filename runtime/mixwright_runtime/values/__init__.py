"""Values of rows: expressions, templates, texts. Pure."""
