"""Looking into recognisers: where they look (``attention``) and how their embeddings lie (``maps``)."""
