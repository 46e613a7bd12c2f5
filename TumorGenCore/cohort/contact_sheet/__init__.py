"""A contact sheet: a page to look through the results of ``tumorgen synthesize``, lesion by lesion."""
