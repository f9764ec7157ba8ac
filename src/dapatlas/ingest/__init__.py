"""From what people download to a data set."""
