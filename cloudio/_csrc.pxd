# What other packages may cimport of csrc/cloudio.h, under a name that stays (docs/cython.md).
from cloudio._core._csrc cimport (
    CIO_U8, CIO_I8, CIO_I16, CIO_U16, CIO_F32, CIO_TO_F32, CIO_TO_F16, CIO_TO_BF16,
    CIO_CACHED, CIO_STREAMED, CIO_TO_U8, CIO_TO_I64, CIO_MOVE_1, CIO_MOVE_2, CIO_MOVE_4,
    cio_affine, cio_check_fn, cio_copy_fn, cio_line, cio_look_up_fn, cio_pick_fn, cio_reverse_fn,
    cio_rows, cio_scale_fn, cio_task, cio_transpose_fn)
