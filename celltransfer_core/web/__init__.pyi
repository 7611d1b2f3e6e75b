from .addresses import image_url as image_url
from .downloads import download_routes as download_routes, file_url as file_url
from .endpoints import routes as routes
from .folders import ROOTS as ROOTS, import_roots as import_roots, importable as importable
from .uploads import TOKEN_HEADER as TOKEN_HEADER, upload_access as upload_access
