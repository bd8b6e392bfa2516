"""A table per segment and resource: labels of the kind SegmentMap."""
