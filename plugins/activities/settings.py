"""What an administrator asks of follow-ups, and how people are reminded of tasks."""

from __future__ import annotations

from core.fields import Boolean, Choice, ChoiceField, FieldSpec, Integer, Tags
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup
from plugins.activities.models import REMINDERS

__all__ = ["ACTIVITIES"]

ACTIVITIES = SettingsGroup(
    "activities",
    _l("Follow-ups and tasks"),
    (
        FieldSpec(
            "require_next",
            Boolean(),
            _l("A next step must be given"),
            help=_l("Each follow-up names the next date, or says that none is needed."),
            default=False,
        ),
        FieldSpec(
            "min_length",
            Integer(minimum=0, maximum=500),
            _l("Characters at least"),
            help=_l("Spaces and marks do not count. 0: any length."),
            default=0,
            required=True,
        ),
        FieldSpec(
            "fillers",
            Tags(),
            _l("Words that say nothing"),
            help=_l("A follow-up of such a word alone, or of one sign repeated, is refused."),
            default=["无", "略", "同上", "已跟进"],
        ),
        FieldSpec(
            "weekly_quota",
            Integer(minimum=0, maximum=1_000),
            _l("Follow-ups a week"),
            help=_l("By each person; shown as 12/20. 0: none."),
            default=0,
            required=True,
        ),
        FieldSpec(
            "quota_day",
            ChoiceField(
                (
                    Choice("monday", _l("Monday")),
                    Choice("tuesday", _l("Tuesday")),
                    Choice("wednesday", _l("Wednesday")),
                    Choice("thursday", _l("Thursday")),
                    Choice("friday", _l("Friday")),
                    Choice("saturday", _l("Saturday")),
                    Choice("sunday", _l("Sunday")),
                    Choice("never", _l("Nobody is told")),
                )
            ),
            _l("Who is behind is told on"),
            help=_l("Once a week; the head of the department is told too."),
            default="friday",
            required=True,
        ),
        FieldSpec(
            "quota_hour",
            Integer(minimum=0, maximum=23),
            _l("At this hour"),
            help=_l("Of the company's time zone, 0 to 23."),
            default=16,
            required=True,
        ),
        FieldSpec(
            "default_reminder",
            ChoiceField(REMINDERS),
            _l("Reminder of a task"),
            help=_l("Where the task does not say otherwise."),
            default="30_minutes",
            required=True,
        ),
    ),
)
