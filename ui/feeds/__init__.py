"""Long lists, loaded page by page while somebody looks."""
