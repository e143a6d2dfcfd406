"""Analysis of recognisers: class activation maps, maps of embeddings, CKA, and linear probes."""
