"""Row expressions: typed once, written as SQL."""
