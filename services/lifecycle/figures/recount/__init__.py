"""The daily counts, recounted from what customers have gone through."""
