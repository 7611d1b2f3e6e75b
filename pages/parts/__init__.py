"""Parts of the pages: widgets and layout, one file per part."""
