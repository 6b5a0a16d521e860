"""An async JSON service that opens a connection only when a route awaits it."""
