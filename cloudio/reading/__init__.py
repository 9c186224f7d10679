"""Data sets and readers: from a request to a batch.

| file                | what it does                                                             |
|---------------------|--------------------------------------------------------------------------|
| `dataset`           | opens a folder: `Dataset`, which makes readers                           |
| `collection`        | what `Dataset` builds on: splits, subsets, metadata, open files          |
| `description`       | what a data set says of itself                                           |
| `reader`            | decides a request once, then reads batches                               |
| `samples`           | single samples, and those of a batch as a list                           |
| `copies`            | readers made of readers: from pickles, with other settings, in workers   |
| `torch_collate`     | what torch's own collate does with samples                               |
| `selection`         | names of bands and labels to arrays and label maps                       |
| `factors`           | scale, mean and std to a factor and a summand per band                   |
| `arguments`         | checks of the other arguments:                                           |
| `.options`          | the settings of a reader                                                 |
| `.indexing`         | ``index``, ``origin`` and ``symmetry``                                   |
| `.keys`             | names that make dicts of batches                                         |
| `.outputs`          | arrays to read into: new ones, or the caller's                           |
| `plans`             | makes the compiled plans                                                 |
| `batch`             | what a read returns                                                      |
| `warnings`          | labels and units that are not what they look like                        |
| `gather`            | the same kernels on any arrays                                           |
| `scan`              | one pass over stored arrays, for statistics and verification             |
"""
