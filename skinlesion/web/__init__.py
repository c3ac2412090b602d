"""A model behind HTTP: one page and a JSON API, nothing written to disk, every resource bounded."""
