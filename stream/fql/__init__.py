"""FQL, Segment's filter query language, and the transformations of Segment's destination filters. Pure."""
