"""LESS: which training examples move a model as given target examples do (Xia et al. 2024).

prepare.py      rows and targets ─▶ token ids and labels on disk
warmup.py       LoRA on a random part; weights, Adam's moments and mean rate of each epoch
gradients.py    one example's gradient of the LoRA weights, and Adam's direction for it
projection.py   a gradient of millions of numbers ─▶ 8,192, inner products kept
features.py     unit-length features in fp16, mapped into memory, one row an example; resumable by row
taking.py       a model under an epoch's weights ─▶ the features of examples, one by one
score.py        cosines, weighted by the epochs' rates; the best target task counts
job.py          all of it as a process of its own, which can be killed and goes on where it was

gradient_ranges.py, gradient_worker.py    features taken by the workers of a cluster in its stead
"""
