"""Files that are volumes already: CTs of many layouts, and released masks."""
