/*
 * A disk that fails, for one process: preloaded (LD_PRELOAD), it stands in front of the calls by which files are written to and handed to the
 * disk. SALLYPORT_TEST_DISK names a file of 4096 bytes: text "ACTION WHERE", zeros behind it. Calls on files whose path contains WHERE then do what
 * ACTION says: an errno (ENOSPC, EIO, EROFS, EDQUOT), or hang for ever. SALLYPORT_TEST_DISK_LOG names a file that gets a line for each call:
 * "write PATH BYTES", "begin PATH", "synced PATH", and "send BYTES" for sockets.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile char *rule;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
  const char *control = getenv("SALLYPORT_TEST_DISK"), *log = getenv("SALLYPORT_TEST_DISK_LOG");
  if (control != NULL) {
    int fd = open(control, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
      if (mapped != MAP_FAILED) rule = mapped;
      close(fd);
    }
  }
  if (log != NULL) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static const char *path_of(int fd, char *path, size_t size) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return "";
  path[length] = 0;
  return path;
}

static void note(const char *what, const char *path, ssize_t bytes) {
  if (log_fd < 0) return;
  char line[4400];
  int length = snprintf(line, sizeof line, "%s %s %zd\n", what, path, bytes);
  syscall(SYS_write, log_fd, line, (size_t)length);
}

/* 0, or the errno that the call ends with. */
static int fault(const char *path) {
  if (rule == NULL || rule[0] == 0 || path[0] != '/') return 0;
  char copy[4096];
  memcpy(copy, (const void *)rule, sizeof copy - 1);
  copy[sizeof copy - 1] = 0;
  char *where = strchr(copy, ' ');
  if (where == NULL) return 0;
  *where++ = 0;
  if (strstr(path, where) == NULL) return 0;
  if (strcmp(copy, "hang") == 0) for (;;) pause();
  if (strcmp(copy, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(copy, "EDQUOT") == 0) return EDQUOT;
  if (strcmp(copy, "EROFS") == 0) return EROFS;
  if (strcmp(copy, "EIO") == 0) return EIO;
  return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARDED(call)                                                                                                  \
  char buffer[4096];                                                                                                   \
  const char *path = path_of(fd, buffer, sizeof buffer);                                                               \
  int failed = fault(path);                                                                                            \
  if (failed != 0) { errno = failed; return -1; }                                                                      \
  ssize_t done = call;                                                                                                 \
  int kept = errno;                                                                                                    \
  if (done >= 0 && path[0] == '/') note("write", path, done);                                                          \
  if (done >= 0 && fd > 2 && strncmp(path, "socket:", 7) == 0) note("send", path, done);                                         \
  errno = kept;                                                                                                        \
  return done;

ssize_t write(int fd, const void *data, size_t size) { GUARDED(REAL(write)(fd, data, size)) }
ssize_t writev(int fd, const struct iovec *parts, int count) { GUARDED(REAL(writev)(fd, parts, count)) }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { GUARDED(REAL(pwrite64)(fd, data, size, at)) }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { GUARDED(REAL(pwritev64)(fd, parts, count, at)) }
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) { GUARDED(REAL(sendmsg)(fd, message, flags)) }

#define SYNC(name)                                                                                                     \
  int name(int fd) {                                                                                                   \
    char buffer[4096];                                                                                                 \
    const char *path = path_of(fd, buffer, sizeof buffer);                                                             \
    int failed = fault(path);                                                                                          \
    if (failed != 0) { errno = failed; return -1; }                                                                    \
    note("begin", path, 0);                                                                                            \
    int done = REAL(name)(fd);                                                                                         \
    int kept = errno;                                                                                                  \
    if (done == 0) note("synced", path, 0);                                                                            \
    errno = kept;                                                                                                      \
    return done;                                                                                                       \
  }
SYNC(fdatasync)
SYNC(fsync)
