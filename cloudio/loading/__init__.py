"""Loaders: epochs of batches, built ahead.

| file                | what it does                                                   |
|---------------------|----------------------------------------------------------------|
| `loader`            | the arguments and the memory of a `Loader`                     |
| `epochs`            | its iterations, samples and states                             |
| `arguments`         | checks of arguments                                            |
| `iteration`         | hands out the batches of one epoch                             |
| `prefetch`          | builds batches in a thread, ahead of the caller                |
| `finish`            | adds metadata columns to a batch, and transforms it            |
| `memory`            | sizes of batches, and the caller's function that allocates     |
| `state`             | what states hold, and how one is refused                       |
| `sampling`          | what an epoch draws                                            |
| `.sampler`          | the samples at positions of an epoch, and those of a rank      |
| `.orders`           | which patch stands where: in order, shuffled, drawn            |
| `.weights`          | weighted draws                                                 |
| `.augmentation`     | random crops and symmetries                                    |
| `.permutation`      | random numbers that can be repeated                            |
"""
