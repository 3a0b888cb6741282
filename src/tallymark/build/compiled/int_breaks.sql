-- One row per event that begins a session although the gap is not over.
:breaks
