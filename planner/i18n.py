"""Two languages for what admins and unit offices read: source strings are English, other languages stand in `locale/`.

In: a language code.  Out: gettext translations.  The .po text is read when first used, so no compiled catalogue can grow stale.
"""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog

from inventory.errors import InputError

LANGUAGES = ("en", "zh_CN")
LOCALE = Path(__file__).parent / "locale"


def N_(text: str) -> str:
    """Marks a string for translation where it stands; it is translated where it is shown."""
    return text


def catalogue(language: str) -> Catalog:
    """A language's messages as its .po file has them."""
    with (LOCALE / language / "LC_MESSAGES" / "planner.po").open("rb") as file:
        return pofile.read_po(file, locale=language, abort_invalid=True)


@cache
def translator(language: str) -> gettext.NullTranslations:
    """Translations of a language.  Raises InputError for one that we do not have."""
    if language not in LANGUAGES:
        raise InputError(f"there is no language {language!r}", hint="one of " + ", ".join(LANGUAGES))
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
