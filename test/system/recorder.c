/*
 * LD_PRELOAD: writes down what a process does to the files below $RECORDED, in order, to the file $RECORD. Each entry is a
 * line "<operation> <offset> <bytes> <path>", and after a write its bytes and a newline. A sync has two entries, when it
 * begins and when it ends, with the same number as their offset: it need not cover what is written meanwhile.
 *
 * $FAIL_SYNCS lists syncs of write-ahead logs that fail, "3,4,9". As with Linux, each descriptor of the file then reports the
 * failure once, and the pages count as written. With $NO_SYNC every fdatasync of a log does nothing and says that it worked.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *record;

#define real(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int recorded(const char *path) {
  const char *root = getenv("RECORDED");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

static void note(const char *operation, const char *path, off_t offset, const void *data, size_t length) {
  pthread_mutex_lock(&lock);
  if (!record) record = fopen(getenv("RECORD"), "ae");
  fprintf(record, "%s %lld %zu %s\n", operation, (long long)offset, length, path);
  if (data) {
    fwrite(data, 1, length, record);
    fputc('\n', record);
  }
  fflush(record);
  pthread_mutex_unlock(&lock);
}

static void note_file(const char *operation, int fd, off_t offset, const void *data, size_t length) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return;
  path[n] = 0;
  if (recorded(path)) note(operation, path, offset, data, length);
}

/* How many syncs of a log have failed, and how many of these each descriptor has reported or was opened after. */
static int failures, reported[1024];

static int note_open(int fd, const char *path, int flags) {
  if (fd >= 0) reported[fd % 1024] = failures;
  if (fd >= 0 && (flags & O_CREAT) && recorded(path)) note("create", path, 0, NULL, 0);
  return fd;
}

#define OPEN(name)                                     \
  int name(const char *path, int flags, ...) {         \
    va_list rest;                                      \
    va_start(rest, flags);                             \
    mode_t mode = va_arg(rest, int);                   \
    va_end(rest);                                      \
    return note_open(real(name)(path, flags, mode), path, flags); \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t length) {
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t n = real(write)(fd, data, length);
  if (n > 0) note_file("write", fd, offset, data, n);
  return n;
}

#define PWRITE(name, offset_t)                                        \
  ssize_t name(int fd, const void *data, size_t length, offset_t offset) { \
    ssize_t n = real(name)(fd, data, length, offset);                 \
    if (n > 0) note_file("write", fd, offset, data, n);               \
    return n;                                                         \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_t)                    \
  int name(int fd, offset_t length) {               \
    int failed = real(name)(fd, length);            \
    if (!failed) note_file("truncate", fd, length, NULL, 0); \
    return failed;                                  \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

static int syncs, syncs_of_logs;

static int is_log(int fd) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return recorded(path) && n > 4 && strcmp(path + n - 4, "-wal") == 0;
}

static int fails(int number) {
  const char *list = getenv("FAIL_SYNCS");
  while (list && *list) {
    if (strtol(list, (char **)&list, 10) == number) return 1;
    if (*list == ',') list++;
  }
  return 0;
}

static int sync_file(int fd, int (*sync)(int)) {
  int of_log = is_log(fd);
  if (of_log && getenv("NO_SYNC")) return 0;
  pthread_mutex_lock(&lock);
  int id = ++syncs;
  int unlucky = of_log && fails(++syncs_of_logs);
  pthread_mutex_unlock(&lock);
  note_file("syncing", fd, id, NULL, 0);
  int failed = sync(fd);
  if (failed) return failed;
  if (unlucky) failures++;
  note_file(unlucky ? "lost" : "sync", fd, id, NULL, 0);
  if (of_log && reported[fd % 1024] < failures) {
    reported[fd % 1024] = failures;
    errno = EIO;
    return -1;
  }
  return 0;
}

#define SYNC(name) \
  int name(int fd) { return sync_file(fd, real(name)); }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
  int failed = real(unlink)(path);
  if (!failed && recorded(path)) note("unlink", path, 0, NULL, 0);
  return failed;
}

int mkdir(const char *path, mode_t mode) {
  int failed = real(mkdir)(path, mode);
  if (!failed && recorded(path)) note("mkdir", path, 0, NULL, 0);
  return failed;
}
