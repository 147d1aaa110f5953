"""Raw files to the prepared form: one adapter per source."""
