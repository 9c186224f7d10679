/* What the system says about an open file. */
#include "cloudio.h"

#include <sys/stat.h>
#include <sys/types.h>

int64_t cio_file_size(int descriptor)
{
#ifdef _WIN32
    struct _stat64 status;
    return _fstat64(descriptor, &status) == 0 ? (int64_t)status.st_size : -1;
#else
    struct stat status;
    return fstat(descriptor, &status) == 0 ? (int64_t)status.st_size : -1;
#endif
}
