"""The review server: an API over the store, the volumes, and the pages that use them."""
