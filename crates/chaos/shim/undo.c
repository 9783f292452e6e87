/* What files below CHAOS_DATA were at their last sync, by sectors of 512 bytes. A sector that is written
 * again keeps what it was first. A sync begins a layer: what is written while it goes on is not covered by
 * it. The memory is bounded: what does not fit counts as written to the disk already, as a disk may at any
 * time. A file that was cut stays so. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim.h"

#define SECTOR 512
#define FILES 64
#define BLOCKS (1 << 17)
#define BUCKETS (1 << 16)
#define PIECE (64 << 10)

/* A sector as it was. */
struct block {
    off_t at;
    unsigned layer;
    int file, next_in_bucket, next_in_file;
    unsigned long order;
    unsigned char was[SECTOR];
};

struct file {
    dev_t device;
    ino_t inode;
    /* Its own, to read from and write to; -1 for a place that is free. */
    int descriptor;
    /* Layers not yet safe are those up to this one. */
    unsigned layer, safe;
    /* Lengths at the last sync, and when the layer began. */
    off_t floor, began;
    int blocks, syncing;
};

static struct file files[FILES];
static struct block *blocks;
static int buckets[BUCKETS];
static int unused, fresh, known, turn;
static unsigned long order;

static int bucket_of(int file, off_t at) {
    uint64_t mixed = ((uint64_t)at / SECTOR * FILES + (uint64_t)file) * 0x9E3779B97F4A7C15u;
    return (int)(mixed >> 48) % BUCKETS;
}

static off_t length_of(const struct file *file) {
    struct stat stat;
    return fstat(file->descriptor, &stat) == 0 ? stat.st_size : 0;
}

/* Whether something of it could be lost that anybody would miss. */
static int is_dirty(const struct file *file) {
    struct stat stat;
    if (file->syncing) return 1;
    if (fstat(file->descriptor, &stat) != 0 || stat.st_nlink == 0) return 0;
    return file->blocks >= 0 || stat.st_size != file->floor;
}

/* Lets go of the sectors of a file that were kept for layers up to one, or that are behind a length. */
static void let_go(int file, unsigned layer, off_t length) {
    int *place = &files[file].blocks;
    while (*place >= 0) {
        int at = *place;
        struct block *block = &blocks[at];
        if (block->layer > layer && block->at < length) {
            place = &block->next_in_file;
            continue;
        }
        *place = block->next_in_file;
        int *bucket = &buckets[bucket_of(file, block->at)];
        while (*bucket != at) bucket = &blocks[*bucket].next_in_bucket;
        *bucket = block->next_in_bucket;
        block->next_in_file = unused;
        unused = at;
    }
}

/* A place for a file; one that is safe goes for it. */
static int place(void) {
    for (int tried = 0; tried < FILES; tried++) {
        int at = turn++ % FILES;
        if (at < known && is_dirty(&files[at])) continue;
        if (at >= known) return known++;
        let_go(at, UINT_MAX, 0);
        close(files[at].descriptor);
        return at;
    }
    return -1;
}

static int is_below(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t found = readlink(link, path, sizeof path - 1);
    path[found > 0 ? found : 0] = 0;
    return names_are_ours(path);
}

int undo_file(int descriptor) {
    struct stat stat;
    if (fstat(descriptor, &stat) != 0 || !S_ISREG(stat.st_mode)) return -1;
    for (int at = 0; at < known; at++)
        if (files[at].inode == stat.st_ino && files[at].device == stat.st_dev) return at;
    if (!is_below(descriptor)) return -1;
    if (!blocks) {
        size_t size = sizeof(struct block) * BLOCKS;
        void *room = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (room == MAP_FAILED) return -1;
        blocks = room;
        unused = -1;
        memset(buckets, -1, sizeof buckets);
    }
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int own = open(link, O_RDWR | O_CLOEXEC);
    int at = own < 0 ? -1 : place();
    if (at < 0) {
        if (own >= 0) close(own);
        return -1;
    }
    files[at] = (struct file){.device = stat.st_dev, .inode = stat.st_ino, .descriptor = own,
        .layer = 1, .floor = stat.st_size, .began = stat.st_size, .blocks = -1};
    return at;
}

static int is_kept(int file, off_t at) {
    for (int next = buckets[bucket_of(file, at)]; next >= 0; next = blocks[next].next_in_bucket) {
        struct block *block = &blocks[next];
        if (block->file == file && block->at == at && block->layer == files[file].layer) return 1;
    }
    return 0;
}

static void keep(int file, off_t at, const unsigned char *was) {
    int free = unused;
    if (free >= 0) unused = blocks[free].next_in_file;
    else if (fresh < BLOCKS) free = fresh++;
    else return;
    struct block *block = &blocks[free];
    int *bucket = &buckets[bucket_of(file, at)];
    block->at = at;
    block->file = file;
    block->layer = files[file].layer;
    block->order = order;
    memcpy(block->was, was, SECTOR);
    block->next_in_bucket = *bucket;
    block->next_in_file = files[file].blocks;
    *bucket = files[file].blocks = free;
}

void undo_before(int file, off_t offset, const void *data, size_t length) {
    static unsigned char was[PIECE];
    off_t end = offset + (off_t)length, known_until = files[file].began;
    order++;
    /* It became shorter where this library does not look, as by opening: that is done. */
    off_t now = length_of(&files[file]);
    if (now < known_until) {
        undo_shortened(file, now);
        known_until = now;
    }
    for (off_t from = offset - offset % SECTOR; from < end && from < known_until; from += PIECE) {
        ssize_t found = pread(files[file].descriptor, was, PIECE, from);
        if (found < 0) return;
        memset(was + found, 0, PIECE - (size_t)found);
        for (off_t at = from; at < from + PIECE && at < end && at < known_until; at += SECTOR) {
            off_t first = at > offset ? at : offset;
            off_t last = at + SECTOR < end ? at + SECTOR : end;
            const unsigned char *here = was + (at - from);
            const unsigned char *next = (const unsigned char *)data + (first - offset);
            int is_same = memcmp(here + (first - at), next, (size_t)(last - first)) == 0;
            if (!is_same && !is_kept(file, at)) keep(file, at, here);
        }
    }
}

void undo_shortened(int file, off_t length) {
    struct file *it = &files[file];
    if (length < it->floor) it->floor = length;
    if (length < it->began) it->began = length;
    let_go(file, 0, length);
}

struct sync undo_sync_begins(int file) {
    struct file *it = &files[file];
    it->syncing++;
    it->began = length_of(it);
    return (struct sync){it->layer++, it->began};
}

void undo_sync_ends(int file, struct sync sync, int is_safe) {
    struct file *it = &files[file];
    it->syncing--;
    if (!is_safe || sync.layer <= it->safe) return;
    it->safe = sync.layer;
    /* Shorter if it was shortened meanwhile. */
    it->floor = sync.length < it->began ? sync.length : it->began;
    let_go(file, sync.layer, INT64_MAX);
}

int undo_lies(void) {
    char path[4096];
    return named("lies", path, sizeof path) && access(path, F_OK) == 0;
}

static uint64_t drawn;

static uint64_t draw(uint64_t bound) {
    drawn += 0x9E3779B97F4A7C15u;
    uint64_t mixed = (drawn ^ (drawn >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (mixed ^ (mixed >> 31)) % bound;
}

/* How much goes: everything, the writes after one of them, or sectors by chance, so many percent. */
enum { ALL, LATE, CHANCE };

void undo_lose(unsigned long seed) {
    drawn = seed;
    int how = (int)draw(3), percent = (int[]){10, 50, 90}[draw(3)];
    /* A disk that lies loses all that it kept. */
    if (undo_lies()) how = ALL;
    unsigned long least = order;
    unsigned long kept = 0, lost = 0, grown = 0, touched = 0;
    for (int at = 0; at < known; at++)
        for (int next = files[at].blocks; next >= 0; next = blocks[next].next_in_file)
            if (blocks[next].order < least) least = blocks[next].order;
    unsigned long from = least + draw(order - least + 1);
    for (int at = 0; at < known; at++) {
        struct file *file = &files[at];
        off_t length = length_of(file);
        unsigned long before = lost + grown;
        /* The newest first: of several layers the oldest that goes is what is left. */
        for (int next = file->blocks; next >= 0; next = blocks[next].next_in_file) {
            struct block *block = &blocks[next];
            kept++;
            if (how == LATE ? block->order < from : how == CHANCE && (int)draw(100) >= percent) continue;
            size_t size = length - block->at < SECTOR ? (size_t)(length - block->at) : SECTOR;
            if (block->at < length && RAW_PWRITE(file->descriptor, block->was, size, block->at) > 0) lost++;
        }
        if (length <= file->floor) {
            touched += lost + grown > before;
            continue;
        }
        /* What it grew by: not there, partly there, or there with sectors that were never written. */
        static const unsigned char zeros[SECTOR];
        off_t left = how == ALL ? file->floor : file->floor + (off_t)draw((uint64_t)(length - file->floor) + 1);
        grown += (unsigned long)((length - left + SECTOR - 1) / SECTOR);
        if (RAW_TRUNCATE(file->descriptor, left) != 0) left = length;
        for (off_t sector = (file->floor + SECTOR - 1) / SECTOR * SECTOR; how == CHANCE && sector + SECTOR <= left;
             sector += SECTOR)
            if ((int)draw(100) < percent && RAW_PWRITE(file->descriptor, zeros, SECTOR, sector) > 0) grown++;
        touched += lost + grown > before;
    }
    int many = how == ALL ? names_unsafe() : (int)draw((uint64_t)names_unsafe() + 1);
    names_lose(many);
    char path[4096], text[128];
    int told = named("lost", path, sizeof path) ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    int size = snprintf(text, sizeof text, "%lu %lu %lu %lu %d\n", kept, lost, grown, touched, many);
    if (told < 0 || RAW_WRITE(told, text, size) != size) _exit(97);
    close(told);
}
