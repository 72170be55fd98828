"""The show as a web page: served with aiohttp, on this machine only unless told otherwise."""
