"""A hands-on course in natural language processing with transformers: every lesson a notebook that really runs, and the tested helpers they export.

Modules:

- `course_nlp.data.spaces.evaluate-metric.perplexity.perplexity`: Perplexity: how surprised a causal language model is by each of a list of texts.
- `course_nlp.data.spaces.evaluate-metric.rouge.rouge`: ROUGE: word and subsequence overlap of summaries with their references."""

__version__ = "0.1.0"
