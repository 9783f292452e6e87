/* Names below CHAOS_DATA that were made, moved and removed since their directory was last synced. With the power
 * some of the newest go, as a file system with a journal has it: from one on, all. What a name stood for before is
 * kept by a link beside the orders. Of more than NAMES the oldest count as safe. Directories that are made, and
 * what is removed with a whole directory, stay as they are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim.h"

#define NAMES 256
#define LONGEST 512

/* A name that was made has no "from", one that was removed no "to". */
struct name {
    unsigned long order;
    char from[LONGEST], to[LONGEST];
    /* The link to what was under the name that is gone; 0 for nothing. */
    unsigned long kept;
};

static struct name names[NAMES];
static int count;
static unsigned long newest;

int names_are_ours(const char *path) {
    const char *folder = getenv("CHAOS_DATA");
    size_t length = folder ? strlen(folder) : 0;
    return length && path && strlen(path) < LONGEST && strncmp(path, folder, length) == 0 && path[length] == '/';
}

static int link_of(unsigned long kept, char *path, size_t size) {
    char name[32];
    snprintf(name, sizeof name, "kept.%lu", kept);
    return named(name, path, size);
}

static void forget(int at) {
    char path[4096];
    if (names[at].kept && link_of(names[at].kept, path, sizeof path)) syscall(SYS_unlink, path);
    memmove(&names[at], &names[at + 1], sizeof names[0] * (size_t)(count - at - 1));
    count--;
}

unsigned long names_keep(const char *path) {
    static unsigned long links;
    char kept[4096];
    if (access(path, F_OK) != 0) return 0;
    if (!link_of(++links, kept, sizeof kept)) return NAMES_LOST;
    /* A process before this one may have left it. */
    syscall(SYS_unlink, kept);
    return link(path, kept) == 0 ? links : NAMES_LOST;
}

void names_changed(const char *from, const char *to, unsigned long kept) {
    if (kept == NAMES_LOST) return;
    if (count == NAMES) forget(0);
    struct name *name = &names[count++];
    name->order = ++newest;
    name->kept = kept;
    snprintf(name->from, LONGEST, "%s", from ? from : "");
    snprintf(name->to, LONGEST, "%s", to ? to : "");
}

unsigned long names_newest(void) { return newest; }

static int is_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/' && !strchr(path + length + 1, '/');
}

void names_synced(int descriptor, unsigned long order) {
    char link[64], folder[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, folder, sizeof folder - 1);
    if (length <= 0) return;
    folder[length] = 0;
    for (int at = count - 1; at >= 0; at--)
        if (names[at].order <= order && (is_in(names[at].from, folder) || is_in(names[at].to, folder))) forget(at);
}

int names_unsafe(void) { return count; }

void names_lose(int many) {
    char kept[4096];
    for (int at = count - 1; at >= count - many; at--) {
        struct name *name = &names[at];
        if (*name->from && *name->to) RAW_RENAME(name->to, name->from);
        else if (*name->to) syscall(SYS_unlink, name->to);
        const char *gone = *name->to ? name->to : name->from;
        if (name->kept && link_of(name->kept, kept, sizeof kept)) RAW_RENAME(kept, gone);
    }
}
