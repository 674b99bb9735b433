"""A static export of a dynamic site that publishes: crawled, mapped to files, gated by coverage, written."""
