"""Server processes: how they are started, watched and stopped, and the artifacts they need."""
