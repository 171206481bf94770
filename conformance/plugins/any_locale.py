"""A pytest plugin: a machine without the locale that a suite sets keeps its own."""

import locale
import logging

_setlocale = locale.setlocale


def _set(category, value=None):
    try:
        return _setlocale(category, value)
    except locale.Error:
        logging.getLogger(__name__).info("there is no locale %s here", value)
        return _setlocale(category)


locale.setlocale = _set
