/* Writes and syncs of files below CHAOS_DATA, and the orders to lose or spoil some. In the folder CHAOS_SHIM:
 * "power": "SEED WRITES BESIDE": after so many more writes, or 2 s, what was not synced is lost as the seed says,
 *   and the process ends as by kill -9. If BESIDE is 1, writes of logs do not count, but names that change do. The file "lost" tells how many sectors were not safe, how many of them went
 *   back, how many of those that files grew by went, how many files that were, and how many names went.
 * "lies": as long as it is there, syncs answer well and make nothing safe, and all of that goes with the power.
 * "flip": one bit of the next batch of 256 bytes or more of a log goes wrong; "flipped" tells of which file, where.
 * "nospace": the next one is written half, and what follows there is told that there is no space; "short". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

#define SPOILT 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Writes until the power goes; 0 for never. */
static long writes_left, is_beside;
static unsigned long seed;
static atomic_int flips, is_short;
/* Where there is no space any more. */
static int full = -1;

/* Under the lock, which is never given back: no write and no answer comes after it. */
static void cut(void) {
    undo_lose(seed);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int taken(const char *name, char *text, size_t size) {
    char path[4096];
    int file = named(name, path, sizeof path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, size - 1);
    text[length > 0 ? length : 0] = 0;
    close(file);
    return unlink(path) == 0;
}

static void tell(const char *name, int descriptor, off_t offset) {
    char path[4096], link[64], text[4200];
    if (!named(name, path, sizeof path)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    int size = snprintf(text, sizeof text, "%s %lld", path, (long long)offset);
    if (file < 0 || RAW_WRITE(file, text, size) != size) _exit(97);
    close(file);
}

static void obey(void) {
    char text[64];
    if (taken("flip", text, sizeof text)) flips = 1;
    if (taken("nospace", text, sizeof text)) is_short = 1;
    if (!taken("power", text, sizeof text)) return;
    char *end;
    pthread_mutex_lock(&lock);
    seed = strtoul(text, &end, 10);
    writes_left = strtol(end, &end, 10);
    is_beside = strtol(end, 0, 10);
    if (writes_left <= 0) cut();
    pthread_mutex_unlock(&lock);
    /* Whoever has nothing to write is cut off all the same. */
    sleep(2);
    pthread_mutex_lock(&lock);
    cut();
}

static void *listen_to(void *notes) {
    char events[4096];
    for (;;) {
        obey();
        if (read((int)(long)notes, events, sizeof events) <= 0 && errno != EINTR) return 0;
    }
}

/* Not before there is data to lose: what becomes a server by and by must have one thread until then. */
static void begin(void) {
    char path[4096];
    pthread_t thread;
    int notes = inotify_init1(IN_CLOEXEC);
    sigset_t all, before;
    if (!named(".", path, sizeof path) || inotify_add_watch(notes, path, IN_MOVED_TO) < 0) return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&thread, 0, listen_to, (void *)(long)notes);
    pthread_sigmask(SIG_SETMASK, &before, 0);
}

/* Whether a descriptor is of a regular file at all: all others pass without the lock. */
static int is_regular(int descriptor) {
    struct stat stat;
    int kept = errno;
    int is = fstat(descriptor, &stat) == 0 && S_ISREG(stat.st_mode);
    errno = kept;
    return is;
}

static int is_log(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path);
    return length > 4 && memcmp(path + length - 4, ".log", 4) == 0;
}

/* After a write, under the lock. */
static void count(int descriptor) {
    if (writes_left == 0 || (is_beside && is_log(descriptor))) return;
    if (--writes_left == 0) cut();
}

/* After a name changed, under the lock. */
static void renamed(const char *from, const char *to, unsigned long kept) {
    names_changed(from, to, kept);
    if (is_beside && writes_left > 0 && --writes_left == 0) cut();
}

static off_t position(int descriptor) {
    struct stat stat;
    int is_appended = fcntl(descriptor, F_GETFL) & O_APPEND;
    if (is_appended) return fstat(descriptor, &stat) == 0 ? stat.st_size : 0;
    return lseek(descriptor, 0, SEEK_CUR);
}

ssize_t write(int descriptor, const void *data, size_t length) {
    if (!is_regular(descriptor)) return RAW_WRITE(descriptor, data, length);
    pthread_mutex_lock(&lock);
    int file = undo_file(descriptor);
    if (file >= 0) undo_before(file, position(descriptor), data, length);
    ssize_t done = RAW_WRITE(descriptor, data, length);
    int failed = errno;
    if (file >= 0) count(descriptor);
    pthread_mutex_unlock(&lock);
    if (file >= 0) pthread_once(&once, begin);
    errno = failed;
    return done;
}

ssize_t writev(int descriptor, const struct iovec *parts, int number) {
    if (!is_regular(descriptor)) return syscall(SYS_writev, descriptor, parts, number);
    ssize_t all = 0;
    for (int at = 0; at < number; at++) {
        if (parts[at].iov_len == 0) continue;
        ssize_t done = write(descriptor, parts[at].iov_base, parts[at].iov_len);
        if (done < 0) return all > 0 ? all : -1;
        all += done;
        if ((size_t)done < parts[at].iov_len) break;
    }
    return all;
}

/* One bit goes wrong on the way. */
static ssize_t flipped(int descriptor, const void *data, size_t length, off_t offset) {
    unsigned char *wrong = malloc(length);
    memcpy(wrong, data, length);
    wrong[length / 2] ^= 0x10;
    ssize_t done = RAW_PWRITE(descriptor, wrong, length, offset);
    free(wrong);
    tell("flipped", descriptor, offset + (off_t)(length / 2));
    return done;
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off_t offset) {
    if (!is_regular(descriptor)) return RAW_PWRITE(descriptor, data, length, offset);
    pthread_mutex_lock(&lock);
    int file = undo_file(descriptor);
    if (file >= 0 && file == full) {
        pthread_mutex_unlock(&lock);
        errno = ENOSPC;
        return -1;
    }
    /* Neither the header of a segment nor zeros written ahead. */
    int is_batch = length >= SPOILT && offset > 0 && *(const char *)data != 0;
    int is_spoilt = file >= 0 && is_batch && (flips || is_short) && is_log(descriptor);
    if (is_spoilt && is_short) {
        length /= 2;
        full = file;
        is_short = 0;
        tell("short", descriptor, offset + (off_t)length);
    }
    if (file >= 0) undo_before(file, offset, data, length);
    ssize_t done = is_spoilt && flips ? flipped(descriptor, data, length, offset)
                                      : RAW_PWRITE(descriptor, data, length, offset);
    int failed = errno;
    if (is_spoilt) flips = 0;
    if (file >= 0) count(descriptor);
    pthread_mutex_unlock(&lock);
    if (file >= 0) pthread_once(&once, begin);
    errno = failed;
    return done;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
    return pwrite64(descriptor, data, length, offset);
}

int ftruncate64(int descriptor, off_t length) {
    pthread_mutex_lock(&lock);
    int file = undo_file(descriptor);
    int done = (int)RAW_TRUNCATE(descriptor, length);
    int failed = errno;
    if (file >= 0 && done == 0) undo_shortened(file, length);
    pthread_mutex_unlock(&lock);
    errno = failed;
    return done;
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

static int opened(const char *path, int flags, mode_t mode) {
    int is_made = flags & O_CREAT && names_are_ours(path);
    if (!is_made) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&lock);
    is_made = access(path, F_OK) != 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (file >= 0 && is_made) renamed(0, path, 0);
    pthread_mutex_unlock(&lock);
    return file;
}

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN(name)                                          \
    int name(const char *path, int flags, ...) {            \
        va_list more;                                       \
        va_start(more, flags);                              \
        mode_t mode = mode_of(flags, more);                 \
        va_end(more);                                       \
        return opened(path, flags, mode);                   \
    }

OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to) {
    if (!names_are_ours(from) || !names_are_ours(to)) return (int)RAW_RENAME(from, to);
    pthread_mutex_lock(&lock);
    unsigned long kept = names_keep(to);
    int done = (int)RAW_RENAME(from, to);
    int failed = errno;
    if (done == 0) renamed(from, to, kept);
    pthread_mutex_unlock(&lock);
    errno = failed;
    return done;
}

int unlink(const char *path) {
    if (!names_are_ours(path)) return (int)syscall(SYS_unlink, path);
    pthread_mutex_lock(&lock);
    unsigned long kept = names_keep(path);
    int done = (int)syscall(SYS_unlink, path);
    int failed = errno;
    if (done == 0) renamed(path, 0, kept);
    pthread_mutex_unlock(&lock);
    errno = failed;
    return done;
}

int power_sync(int descriptor, int (*real)(int)) {
    pthread_mutex_lock(&lock);
    int file = undo_file(descriptor);
    struct sync sync = {0};
    unsigned long names = names_newest();
    if (file >= 0) sync = undo_sync_begins(file);
    pthread_mutex_unlock(&lock);
    int done = real(descriptor);
    int failed = errno;
    int is_lie = undo_lies();
    pthread_mutex_lock(&lock);
    if (file >= 0) undo_sync_ends(file, sync, done == 0 && !is_lie);
    else if (done == 0 && !is_lie) names_synced(descriptor, names);
    pthread_mutex_unlock(&lock);
    errno = failed;
    return done;
}
