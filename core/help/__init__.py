"""Help within the suite: topics shipped as files, and questions to the people who help."""

from core.help.topics import HelpBook, HelpText, Topic, read_topics

__all__ = ["HelpBook", "HelpText", "Topic", "read_topics"]
