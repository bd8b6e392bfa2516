"""A file per message type: labels of the kind MessageType."""
