"""One self-contained HTML page of a run: every question, image, response and verdict.

`page` writes the file, `runs` reads what a run folder holds (also a half-written one), `pictures`
makes thumbnails, `segments` takes responses apart, `samples` turns records into what the page
reads. The page's own text, style and scripts lie in ``assets/``. No scores are computed here.
"""
