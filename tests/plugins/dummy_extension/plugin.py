"""Three fields on specimens, and a reaction to what dummy_plugin publishes."""

from core.fields import Email, FieldSpec, Reference, Text
from core.i18n import lazy_gettext as _l
from core.plugins import hookimpl
from core.plugins.contributions import EntityExtension


@hookimpl
def register_entity_extensions():
    fields = (
        FieldSpec("rating", Text(10), _l("Rating")),
        FieldSpec("told_to", Email(), _l("Told to"), personal=True),
        FieldSpec("rated_by", Reference("user"), _l("Rated by")),
    )
    return [EntityExtension("specimen", fields)]
