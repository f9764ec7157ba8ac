"""Where the parts of the atlas are to be had, and getting them."""
