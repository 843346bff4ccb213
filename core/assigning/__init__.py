"""Assignment rules (分配规则): in their order, the first that fits a record says who gets it, or into which pool.

A plugin declares whose records rules assign, `Assigned`, makes tables of its rules from the models here, and
hands over from its hooks: docs/plugins/assigning.md, and ADR 0027 for the reasons.
"""
