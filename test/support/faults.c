// Makes the disk of one folder fail, while the program runs. For LD_PRELOAD.
//
//   FAULTS_FOLDER   the folder, an absolute path: files in it and below it fail
//   FAULTS_CONTROL  a file of two bytes, which may be rewritten at any time:
//                   the faults that are on, a sum of `enum fault`; and how many in a hundred calls fail
//
// A call that several faults could fail takes one of them at random.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum fault {
  EIO_READ = 1,    // reads fail
  EIO_WRITE = 2,   // writes and truncations fail
  NO_SPACE = 4,    // writes fail with ENOSPC
  READ_ONLY = 8,   // writes and truncations, and opening to write, fail with EROFS
  FAILED_SYNC = 16,
  SLOW = 32,       // writes and syncs take 20 ms longer
  SHORT = 64,      // reads and writes do the first half of what they are asked
};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const volatile unsigned char *control;
static char folder[4096];

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("FAULTS_CONTROL"), *of = getenv("FAULTS_FOLDER");
  if (path == NULL || of == NULL) return;
  snprintf(folder, sizeof folder, "%s/", of);
  int fd = open(path, O_RDONLY);
  void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 2, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) abort();
  close(fd);
  control = map;
}

static int is_in_folder(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int is_file_in_folder(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_in_folder(path);
}

// The fault of a call that can have those; 0 for none.
static int pick(int possible) {
  int on = control == NULL ? 0 : control[0] & possible;
  if (on == 0 || rand() % 100 >= control[1]) return 0;
  for (;;) {
    int one = 1 << (rand() % 7);
    if (on & one) return one;
  }
}

static int error_of(int fault) {
  return fault == NO_SPACE ? ENOSPC : fault == READ_ONLY ? EROFS : fault == SLOW || fault == SHORT ? 0 : EIO;
}

// 0, or -1 with errno set. Halves *length for a short call.
static int before(int fd, int possible, size_t *length) {
  int saved = errno;
  int fault = control != NULL && control[0] != 0 && is_file_in_folder(fd) ? pick(possible) : 0;
  if (fault == SLOW) usleep(20000);
  if (fault == SHORT && *length > 1) *length /= 2;
  int error = error_of(fault);
  errno = fault == 0 || error == 0 ? saved : error;
  return fault == 0 || error == 0 ? 0 : -1;
}

#define READING (EIO_READ | SHORT)
#define WRITING (EIO_WRITE | NO_SPACE | READ_ONLY | SLOW | SHORT)

ssize_t read(int fd, void *to, size_t length) {
  return before(fd, READING, &length) < 0 ? -1 : REAL(read)(fd, to, length);
}

ssize_t pread64(int fd, void *to, size_t length, off64_t at) {
  return before(fd, READING, &length) < 0 ? -1 : REAL(pread64)(fd, to, length, at);
}

ssize_t write(int fd, const void *from, size_t length) {
  return before(fd, WRITING, &length) < 0 ? -1 : REAL(write)(fd, from, length);
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t at) {
  return before(fd, WRITING, &length) < 0 ? -1 : REAL(pwrite64)(fd, from, length, at);
}

int ftruncate64(int fd, off64_t length) {
  return before(fd, EIO_WRITE | READ_ONLY, NULL) < 0 ? -1 : REAL(ftruncate64)(fd, length);
}

int fsync(int fd) { return before(fd, FAILED_SYNC | SLOW, NULL) < 0 ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return before(fd, FAILED_SYNC | SLOW, NULL) < 0 ? -1 : REAL(fdatasync)(fd); }

static int open_fails(const char *path, int flags) {
  if (control == NULL || control[0] == 0 || !is_in_folder(path)) return 0;
  int isRead = (flags & O_ACCMODE) == O_RDONLY;
  errno = error_of(pick(isRead ? EIO_READ : EIO_READ | EIO_WRITE | READ_ONLY));
  return errno != 0;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
  va_end(rest);
  return open_fails(path, flags) ? -1 : REAL(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
  va_end(rest);
  return open_fails(path, flags) ? -1 : REAL(open)(path, flags, mode);
}
