"""What the pages are put together from: widgets and layout, one file for each part of a page."""
