"""The hand-over of a leaver: what somebody owns goes to successors in one step, with a protocol."""
