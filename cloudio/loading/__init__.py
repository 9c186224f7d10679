"""Loaders: epochs of batches, built ahead.

| file           | what it does                                                   |
|----------------|----------------------------------------------------------------|
| `loader`       | the arguments, epochs and states of a `Loader`                 |
| `iteration`    | hands out the batches of one epoch                             |
| `prefetch`     | builds batches in a thread, ahead of the caller                |
| `sampling`     | which patches an epoch holds, in which order, for which rank   |
| `augmentation` | random crops and symmetries                                    |
| `permutation`  | random numbers that can be repeated                            |
| `state`        | what states hold, and how one is refused                       |
"""
