/* What thread_pool.c and background.c need of threads, for POSIX and for Windows. */
#ifndef CLOUDIO_SYNC_H
#define CLOUDIO_SYNC_H

#ifdef _WIN32
#include <windows.h>

#define CIO_THREAD_LOCAL __declspec(thread)

typedef SRWLOCK cio_mutex;
typedef CONDITION_VARIABLE cio_condition;
#define CIO_MUTEX_INIT SRWLOCK_INIT
#define CIO_CONDITION_INIT CONDITION_VARIABLE_INIT
static inline void cio_lock(cio_mutex *m) { AcquireSRWLockExclusive(m); }
static inline void cio_unlock(cio_mutex *m) { ReleaseSRWLockExclusive(m); }
static inline void cio_wait(cio_condition *c, cio_mutex *m)
{
    SleepConditionVariableSRW(c, m, INFINITE, 0);
}
static inline void cio_wake_one(cio_condition *c) { WakeConditionVariable(c); }
static inline void cio_wake_all(cio_condition *c) { WakeAllConditionVariable(c); }

typedef DWORD cio_thread_result;
#define CIO_THREAD_CALL WINAPI
static inline int cio_start_detached(cio_thread_result(CIO_THREAD_CALL *body)(void *), size_t stack)
{
    HANDLE thread = CreateThread(NULL, stack, body, NULL, 0, NULL);
    if (thread == NULL)
        return 0;
    CloseHandle(thread);
    return 1;
}
static inline void cio_around_fork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    (void)before, (void)parent, (void)child;
}

/* CPUs that this process may use. */
static inline int cio_n_cpus(void) { return (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS); }

#else
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#define CIO_THREAD_LOCAL _Thread_local

typedef pthread_mutex_t cio_mutex;
typedef pthread_cond_t cio_condition;
#define CIO_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER
#define CIO_CONDITION_INIT PTHREAD_COND_INITIALIZER
static inline void cio_lock(cio_mutex *m) { pthread_mutex_lock(m); }
static inline void cio_unlock(cio_mutex *m) { pthread_mutex_unlock(m); }
static inline void cio_wait(cio_condition *c, cio_mutex *m) { pthread_cond_wait(c, m); }
static inline void cio_wake_one(cio_condition *c) { pthread_cond_signal(c); }
static inline void cio_wake_all(cio_condition *c) { pthread_cond_broadcast(c); }

typedef void *cio_thread_result;
#define CIO_THREAD_CALL
/* Signals stay with the threads of the program: Python's handlers must not run here. */
static inline int cio_start_detached(cio_thread_result (*body)(void *), size_t stack)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    pthread_attr_setstacksize(&attributes, stack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, &attributes, body, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}
static inline void cio_around_fork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    pthread_atfork(before, parent, child);
}
static inline int cio_n_cpus(void)
{
#if defined(__linux__) && defined(CPU_COUNT)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        return CPU_COUNT(&allowed);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}
#endif

#endif
