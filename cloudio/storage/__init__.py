"""Storage: the files of a data set, their contents, and open files.

One array on disk becomes these things on its way to the kernels, each made from the one before:

==================  ===================  ==========================================================
what                where                why it is separate
==================  ===================  ==========================================================
`FolderFiles`       listing.py           only names, which show the splits; nothing is opened
`InspectedFile`     inspection.py        one file by its header or size; a stacked one has several
                                         arrays, and the number of patches is not known yet
`ArrayFile`         arrays.py            one array of one split: path, type, shape, start
`Native`            arrays.py            where its pixels are repeated: repeat, phases, exceptions,
                                         which are an `ArrayFile` of their own
`PhaseFile`         phases.py            a table of phases by its header; read when first needed
`OpenArray`         arrays.py            the same in an open file: its view, and what plans take
`File`              files.py             an open file, which its arrays share: it is a
                                         `_core.files.File` that can also be viewed by numpy
``cio_file``        csrc/files.h         the descriptor and mapping that a `File` owns; counted
                                         references, for threads that have no GIL
``ArrayDesc``       _core/job.pxd        one array of one split in a plan: pointer and strides
``PrefetchSource``  _core/prefetch.pxd   an ``ArrayDesc`` in a background task, which may outlive
                                         the plan
==================  ===================  ==========================================================
"""
