"""How follow-ups, templates and tasks are named and arranged, and which verbs they have."""

from __future__ import annotations

from core.entities.edits import FormEdit
from core.fields import (
    ActionSpec,
    Choice,
    ChoiceField,
    EntityDef,
    EntitySpec,
    FieldSpec,
    HandOver,
    Mark,
    Section,
    Text,
)
from core.i18n import lazy_gettext as _l
from plugins.activities import check_ins, services
from plugins.activities.models import (
    FollowUp,
    FollowUpAnswer,
    FollowUpPrompt,
    FollowUpTemplate,
    Task,
)
from plugins.activities.policies import MADE, READABLE

__all__ = ["ENTITIES", "form_edits"]

_RESULT = ChoiceField(
    (Choice("passed", _l("Passed"), "good"), Choice("failed", _l("Not passed"), "bad"))
)

#: What another system logs of a call, a mail or a message.
_LOGGED = ("direction", "seconds", "party", "own_party", "consent", "external_id")

follow_up = EntityDef(
    name="follow_up",
    model=FollowUp,
    label=_l("Follow-up"),
    label_plural=_l("Follow-ups"),
    label_field="subject",
    icon="message-circle",
    list_columns=("subject", "kind", "related_id", "owner", "happened_at", "next_follow_at"),
    sections=(
        Section(
            _l("What was said"),
            ("kind", "happened_at", "related_id", "content", "template", "answers"),
        ),
        Section(_l("What is next"), ("next_follow_at", "next_step", "no_next")),
        Section(_l("Where it was"), check_ins.PLACE),
        Section(_l("As it was logged"), _LOGGED),
        Section(
            _l("Whose it is"),
            (
                *("owner", "department", "related_entity"),
                *("review", "review_note", "reviewed_by", "reviewed_at"),
            ),
        ),
    ),
    actions=(
        ActionSpec(
            "review",
            _l("Spot check"),
            services.review,
            params=(
                FieldSpec("result", _RESULT, _l("Result"), required=True),
                FieldSpec("note", Text(300), _l("Found")),
            ),
            undoable=True,
        ),
        ActionSpec(
            "check_in",
            _l("Check in here"),
            check_ins.check_in,
            params=check_ins.PARAMS,
            when={
                "all": [
                    {"field": "kind", "op": "eq", "value": "visit"},
                    {"field": "checked_in_at", "op": "is_empty"},
                ]
            },
            bulk=False,
            page="activities.check_in",
            page_takes=1,
        ),
    ),
    scopes=(READABLE,),
    default_sort="-happened_at",
    new_page="activities.new_follow_up",
    # Who said something has said it, and whoever reads the record reads it: goes only when asked for.
    hand_over=(HandOver("owner", usual=False),),
)

follow_up_answer = EntityDef(
    name="follow_up_answer",
    model=FollowUpAnswer,
    label=_l("Answer to a prompt"),
    label_plural=_l("Answers to prompts"),
    label_field="answer",
    icon="list",
    list_columns=("answer", "prompt", "follow_up"),
    parent_field="follow_up",
    navigable=False,
)

follow_up_template = EntityDef(
    name="follow_up_template",
    model=FollowUpTemplate,
    label=_l("Follow-up template"),
    label_plural=_l("Follow-up templates"),
    label_field="name",
    icon="list",
    list_columns=("name", "kind", "is_obligatory", "is_active"),
    default_sort="name",
    duplicate_keys=("name",),
    navigable=False,
)

follow_up_prompt = EntityDef(
    name="follow_up_prompt",
    model=FollowUpPrompt,
    label=_l("Prompt"),
    label_plural=_l("Prompts"),
    label_field="label",
    icon="list",
    list_columns=("label", "kind", "options", "is_required"),
    parent_field="template",
    navigable=False,
)

_IS_OPEN = {"field": "status", "op": "eq", "value": "open"}

task = EntityDef(
    name="task",
    model=Task,
    label=_l("Task"),
    label_plural=_l("Tasks"),
    label_field="title",
    icon="checkbox",
    list_columns=("title", "status", "priority", "due_at", "assignee", "related_id"),
    sections=(
        Section(
            _l("What is to be done"),
            ("title", "due_at", "assignee", "priority", "status", "description"),
        ),
        Section(_l("Reminder and repetition"), ("reminder", "recurrence", "every", "repeat_until")),
        Section(
            _l("Where it comes from"),
            (
                *("related_entity", "related_id", "follow_up", "previous", "recurs_from"),
                *("assigned_at", "completed_at", "owner", "department"),
            ),
        ),
    ),
    actions=(
        ActionSpec(
            "complete",
            _l("Complete"),
            services.complete,
            when=_IS_OPEN,
            tone="good",
            sets={"status": "done"},
            undoable=True,
        ),
        ActionSpec(
            "reopen",
            _l("Open again"),
            services.reopen,
            when={"field": "status", "op": "ne", "value": "open"},
            sets={"status": "open"},
            undoable=True,
        ),
        ActionSpec(
            "cancel",
            _l("Cancel task"),
            services.cancel,
            when=_IS_OPEN,
            tone="warn",
            sets={"status": "cancelled"},
            undoable=True,
        ),
    ),
    scopes=(MADE, READABLE),
    marks=(
        Mark(
            {"all": [_IS_OPEN, {"field": "due_at", "op": "lt", "value": {"var": "now"}}]},
            _l("Overdue"),
        ),
    ),
    default_sort="due_at",
    new_page="activities.new_task",
    hand_over=(HandOver("assignee", _IS_OPEN, _l("Open tasks")),),
)

ENTITIES = (follow_up, follow_up_answer, follow_up_template, follow_up_prompt, task)

#: What follows from other fields, or is logged.
_LEFT_OUT = {
    "follow_up": ("related_entity", *_LOGGED),
    "task": ("related_entity", "owner", "department"),
}


def form_edits(entity: EntitySpec) -> list[FormEdit]:
    """The fields that are not typed in by hand."""
    return [FormEdit("hide", name) for name in _LEFT_OUT.get(entity.name, ())]
