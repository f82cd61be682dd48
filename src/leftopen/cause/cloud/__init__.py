"""One file per cloud provider: which network settings admit strangers."""
