"""What editors ask of a spec while it is being written, over the Language Server Protocol (`mixwright lsp`)."""
