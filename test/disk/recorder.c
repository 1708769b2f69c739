/*
 * Preloaded into a gateway, records what it does to the files of one folder: everything in one order, with the data. What
 * the gateway prints is recorded in the same order.
 *
 * RECORD_FOLDER      the folder: absolute, without links; folders below it are not recorded
 * RECORD_LOG         the file that the record is appended to
 * RECORD_FAIL_EVERY  every Nth sync of a file fails with EIO and does nothing; absent: none
 *
 * A record is a `struct entry`, the name of the file within the folder (empty: the folder itself), and the data. It is
 * written once the call has succeeded and before the gateway goes on: what the gateway has done by then lies in the log
 * before its end. Memory maps are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order is that of KINDS in recording.ts. */
enum kind { CREATE, RENAME, UNLINK, WRITE, TRUNCATE, SYNC, FAILED_SYNC, PRINT };

/* RENAME: data is the new name. TRUNCATE: offset is the new size. */
struct entry {
  uint32_t kind, name_bytes;
  uint64_t inode, offset, data_bytes;
};

#define ORIGINAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_bytes;
static int log_fd = -1;
static long fail_every;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("RECORD_FOLDER"), *log = getenv("RECORD_LOG"), *every = getenv("RECORD_FAIL_EVERY");
  if (!path || !log) return;
  strncpy(folder, path, sizeof folder - 1);
  folder_bytes = strlen(folder);
  fail_every = every ? atol(every) : 0;
  log_fd = ORIGINAL(int, "open", const char *, int, ...)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* The name within the folder, empty for the folder; NULL for what lies elsewhere. */
static const char *name_of(const char *path) {
  if (log_fd < 0 || strncmp(path, folder, folder_bytes) != 0) return NULL;
  if (path[folder_bytes] == '\0') return "";
  const char *name = path + folder_bytes + 1;
  return path[folder_bytes] == '/' && !strchr(name, '/') ? name : NULL;
}

/* The same of an open file. `path` has room for PATH_MAX characters. */
static const char *name_of_fd(int fd, char *path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t bytes = readlink(link, path, PATH_MAX - 1);
  if (bytes < 0) return NULL;
  path[bytes] = '\0';
  return name_of(path);
}

static uint64_t inode_of(int fd) {
  struct stat file;
  return fstat(fd, &file) == 0 ? file.st_ino : 0;
}

static void record(enum kind kind, uint64_t inode, const char *name, uint64_t offset, const void *data, size_t bytes) {
  struct entry entry = {kind, strlen(name), inode, offset, bytes};
  struct iovec parts[] = {{&entry, sizeof entry}, {(void *)name, entry.name_bytes}, {(void *)data, bytes}};
  ssize_t all = sizeof entry + entry.name_bytes + bytes;
  /* A record with a gap proves nothing. */
  if (writev(log_fd, parts, 3) != all) abort();
}

/* Makes a call and records it if it succeeds, with nothing else in between. Yields its `result`. */
#define RECORDED(type, call, ...)     \
  ({                                  \
    pthread_mutex_lock(&lock);        \
    type result = call;               \
    int error = errno;                \
    if (result >= 0) record(__VA_ARGS__); \
    pthread_mutex_unlock(&lock);      \
    errno = error;                    \
    result;                           \
  })

static int open_recorded(const char *path, int flags, mode_t mode) {
  int (*original)(const char *, int, ...) = ORIGINAL(int, "open", const char *, int, ...);
  const char *name = flags & O_CREAT ? name_of(path) : NULL;
  if (!name || access(path, F_OK) == 0) return original(path, flags, mode);
  return RECORDED(int, original(path, flags, mode), CREATE, inode_of(result), name, 0, NULL, 0);
}

#define OPEN(name)                                                               \
  int name(const char *path, int flags, ...) {                                   \
    va_list rest;                                                                \
    va_start(rest, flags);                                                       \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;    \
    va_end(rest);                                                                \
    return open_recorded(path, flags, mode);                                     \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t bytes) {
  char path[PATH_MAX];
  ssize_t (*original)(int, const void *, size_t) = ORIGINAL(ssize_t, "write", int, const void *, size_t);
  if (fd == STDOUT_FILENO && log_fd >= 0)
    return RECORDED(ssize_t, original(fd, data, bytes), PRINT, 0, "", 0, data, result);
  const char *name = name_of_fd(fd, path);
  if (!name) return original(fd, data, bytes);
  return RECORDED(ssize_t, original(fd, data, bytes), WRITE, inode_of(fd), name, lseek(fd, 0, SEEK_CUR) - result, data,
                  result);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  char path[PATH_MAX];
  ssize_t (*original)(int, const void *, size_t, off_t) =
      ORIGINAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  const char *name = name_of_fd(fd, path);
  if (!name) return original(fd, data, bytes, offset);
  return RECORDED(ssize_t, original(fd, data, bytes, offset), WRITE, inode_of(fd), name, offset, data, result);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) { return pwrite(fd, data, bytes, offset); }

int ftruncate(int fd, off_t size) {
  char path[PATH_MAX];
  int (*original)(int, off_t) = ORIGINAL(int, "ftruncate", int, off_t);
  const char *name = name_of_fd(fd, path);
  if (!name) return original(fd, size);
  return RECORDED(int, original(fd, size), TRUNCATE, inode_of(fd), name, size, NULL, 0);
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int failed_sync(int fd, const char *name) {
  RECORDED(int, 0, FAILED_SYNC, inode_of(fd), name, 0, NULL, 0);
  errno = EIO;
  return -1;
}

int fsync(int fd) {
  static atomic_long syncs;
  char path[PATH_MAX];
  int (*original)(int) = ORIGINAL(int, "fsync", int);
  const char *name = name_of_fd(fd, path);
  if (!name) return original(fd);
  if (fail_every > 0 && *name != '\0' && ++syncs % fail_every == 0) return failed_sync(fd, name);
  return RECORDED(int, original(fd), SYNC, inode_of(fd), name, 0, NULL, 0);
}

int fdatasync(int fd) { return fsync(fd); }

int unlink(const char *path) {
  int (*original)(const char *) = ORIGINAL(int, "unlink", const char *);
  const char *name = name_of(path);
  if (!name) return original(path);
  return RECORDED(int, original(path), UNLINK, 0, name, 0, NULL, 0);
}

int rename(const char *from, const char *to) {
  int (*original)(const char *, const char *) = ORIGINAL(int, "rename", const char *, const char *);
  const char *name = name_of(from), *new_name = name_of(to);
  if (!name || !new_name) return original(from, to);
  return RECORDED(int, original(from, to), RENAME, 0, name, 0, new_name, strlen(new_name));
}
