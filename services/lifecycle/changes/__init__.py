"""Published transitions to be followed over HTTP: by cursor, and as a stream."""
