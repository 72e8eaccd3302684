"""Tools that models call: what each kind does, and the toolbox that runs them and keeps their results."""
