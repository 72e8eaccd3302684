"""From a syntax tree to a plan: names, types, columns, checks, lowering, lock and diff."""
