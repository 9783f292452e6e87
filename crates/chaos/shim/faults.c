/* Preloaded into one server: a sync that fails once, syncs that take long, a wall clock that jumps. The
 * files "fsync", "slow" and "clock" in the folder CHAOS_SHIM say when; "slow" holds the milliseconds that
 * each sync takes longer, "clock" the seconds to add. What is lost when the power goes is in power.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

int named(const char *name, char *path, size_t size) {
    const char *folder = getenv("CHAOS_SHIM");
    return folder && snprintf(path, size, "%s/%s", folder, name) < (int)size;
}

/* Once: whoever removes the file is the one that fails. */
static int fails(void) {
    char path[4096];
    return named("fsync", path, sizeof path) && unlink(path) == 0;
}

/* 0 if it is not there. */
static long number_in(const char *name) {
    char path[4096], text[32];
    int kept = errno;
    long number = 0;
    int file = named(name, path, sizeof path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        number = atol(text);
        close(file);
    }
    errno = kept;
    return number;
}

/* As a disk that is busy: whoever waits waits, and nobody else does. */
static void lag(void) {
    long ms = number_in("slow");
    if (ms > 0) usleep((useconds_t)ms * 1000);
}

#define SYNC(name)                                                      \
    int name(int file) {                                                \
        static int (*real)(int);                                        \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name);        \
        if (fails()) {                                                  \
            errno = EIO;                                                \
            return -1;                                                  \
        }                                                               \
        lag();                                                          \
        return power_sync(file, real);                                  \
    }

SYNC(fsync)
SYNC(fdatasync)

static int (*real_clock)(clockid_t, struct timespec *);

/* Read anew every 50 ms: clocks are asked often. */
static long jump(void) {
    static long seconds, looked;
    struct timespec now;
    real_clock(CLOCK_MONOTONIC_COARSE, &now);
    long tick = now.tv_sec * 20 + now.tv_nsec / 50000000;
    if (tick != looked) {
        looked = tick;
        seconds = number_in("clock");
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real_clock)
        real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real_clock(clock, time);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += jump();
    return done;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int done = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return done;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
