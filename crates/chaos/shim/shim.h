/* What the parts of the preloaded library know of each other. */
#ifndef CHAOS_SHIM_H
#define CHAOS_SHIM_H

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Past this library. */
#define RAW_WRITE(file, data, size) syscall(SYS_write, file, data, (size_t)(size))
#define RAW_PWRITE(file, data, size, at) syscall(SYS_pwrite64, file, data, (size_t)(size), (off_t)(at))
#define RAW_TRUNCATE(file, length) syscall(SYS_ftruncate, file, (off_t)(length))

#define RAW_RENAME(from, to) syscall(SYS_rename, from, to)

/* faults.c: the path of an order; whether there is room for it. */
int named(const char *name, char *path, size_t size);

/* undo.c: what files were at their last sync. All but the sync itself under the lock of power.c. */
struct sync {
    unsigned layer;
    off_t length;
};
/* The file behind a descriptor, if it is one below CHAOS_DATA; -1 for any other. */
int undo_file(int descriptor);
/* Keeps what a write is about to change. */
void undo_before(int file, off_t offset, const void *data, size_t length);
/* It is shorter from now on; a cut of a file is never lost. */
void undo_shortened(int file, off_t length);
/* A sync begins, and ends well; what was written before its beginning is safe then. */
struct sync undo_sync_begins(int file);
void undo_sync_ends(int file, struct sync sync, int is_safe);
/* Whether syncs answer well and make nothing safe. */
int undo_lies(void);
/* Takes back what a seed says of everything that is not safe, and tells of it in the file "lost". */
void undo_lose(unsigned long seed);

/* names.c: names that may not be safe. All under the lock of power.c. */
int names_are_ours(const char *path);
/* Keeps what is under a name that is about to go; 0 if nothing is. What cannot be kept is not taken back. */
#define NAMES_LOST (~0ul)
unsigned long names_keep(const char *path);
/* One was moved; or made, from nothing; or removed, to nothing. */
void names_changed(const char *from, const char *to, unsigned long kept);
unsigned long names_newest(void);
/* Those in a directory that were there before its sync are safe. */
void names_synced(int descriptor, unsigned long order);
int names_unsafe(void);
/* Takes back so many of the newest. */
void names_lose(int many);

/* power.c */
int power_sync(int descriptor, int (*real)(int));

#endif
