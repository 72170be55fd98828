"""The model server: one light process per friend that answers prompts over HTTP."""
