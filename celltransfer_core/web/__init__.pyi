from .addresses import file_url as file_url, image_url as image_url
from .endpoints import download_routes as download_routes, routes as routes
from .folders import ROOTS as ROOTS, import_roots as import_roots, importable as importable
from .uploads import TOKEN_HEADER as TOKEN_HEADER, upload_access as upload_access
