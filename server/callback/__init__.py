"""The inbound HTTP side: listener, routes and the handler that verifies and stores."""
