"""One file per cloud whose inventory names targets."""
