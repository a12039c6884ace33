"""A faithful local ImageRouter: the API's routes, errors, delays and bills, with pictures drawn by Pillow."""
