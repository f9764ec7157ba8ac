"""What goes over the wire, as models: they check requests and describe answers."""
