"""One file per format: bytes in, Text, child blobs and Gaps out."""
