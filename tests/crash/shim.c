/* Stands between a process and its files under one folder: writes down what it does to them, and makes some of it fail.
 *
 * Loaded by LD_PRELOAD; see shim.rs for the other side. KITH_SHIM_DIR is the folder, KITH_SHIM_CONTROL a file of eight words shared
 * with the test, KITH_SHIM_TRACE (optional) the file that every operation is appended to.
 *
 * What changes files is carried out and written down under one lock, so that the trace has the order in which it happened. A sync
 * runs outside the lock; its record comes when it has succeeded, and names how many operations there were when it began.
 */
#define _GNU_SOURCE
#include <dirent.h>
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, ALLOCATE, ZERO, RENAME, UNLINK, MKDIR, RMDIR, LINK, SYNC, SYNC_FAILED };
enum { WRITE_ENOSPC = 1, WRITE_EIO = 2, SYNC_EIO = 4, SHORT_WRITES = 8, WRITE_EDQUOT = 16, NO_THREADS = 32, NO_FILES = 64,
  CHECKPOINT_SYNC_EIO = 128, SYNC_HANGS = 256 };

/* The words of the control file. */
struct control {
  _Atomic uint64_t operations; /* written down so far */
  uint64_t trace_bytes;
  _Atomic uint64_t faults; /* which of the faults above are on */
  uint64_t after;          /* operations that are spared before the first fault */
  uint64_t odds;           /* of a fault, in 2^-32; 0 is always */
  uint64_t random;
  _Atomic uint64_t injected; /* faults so far */
  uint64_t nothing;
};

#define FDS_MAX 65536
#define REAL(name) real_##name = dlsym(RTLD_NEXT, #name)

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;
static int trace = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* For each descriptor the number of the open file it stands for, 0 for none of ours, and whether that is a folder. */
static _Atomic uint32_t file_of[FDS_MAX];
static _Atomic char is_folder[FDS_MAX];
/* Whether it is a checkpoint's. */
static _Atomic char is_checkpoint[FDS_MAX];
static uint32_t files;

static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int), (*real_closedir)(DIR *), (*real_dup)(int), (*real_dup2)(int, int), (*real_dup3)(int, int, int);
static int (*real_fcntl)(int, int, ...), (*real_ftruncate)(int, off_t), (*real_fallocate)(int, int, off_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t), (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int), (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_copy_file_range)(int, off_t *, int, off_t *, size_t, unsigned);
static ssize_t (*real_sendfile)(int, int, off_t *, size_t);
static int (*real_unlinkat)(int, const char *, int), (*real_mkdirat)(int, const char *, mode_t);
static int (*real_linkat)(int, const char *, int, const char *, int);

static void die(const char *why) {
  fprintf(stderr, "shim: %s\n", why);
  abort();
}

static void find_real(void) {
  REAL(openat), REAL(close), REAL(closedir), REAL(dup), REAL(dup2), REAL(dup3), REAL(fcntl), REAL(ftruncate), REAL(fallocate);
  REAL(fsync), REAL(fdatasync), REAL(write), REAL(pwrite), REAL(writev), REAL(pwritev), REAL(copy_file_range), REAL(sendfile);
  REAL(unlinkat), REAL(mkdirat), REAL(linkat);
}

__attribute__((constructor)) static void begin(void) {
  if (!real_openat) find_real();
  const char *dir = getenv("KITH_SHIM_DIR"), *shared = getenv("KITH_SHIM_CONTROL"), *to = getenv("KITH_SHIM_TRACE");
  if (!dir || !shared) die("KITH_SHIM_DIR and KITH_SHIM_CONTROL must be set");
  int fd = real_openat(AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
  if (fd < 0) die("the control file can't be opened");
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) die("the control file can't be mapped");
  real_close(fd);
  if (to && (trace = real_openat(AT_FDCWD, to, O_WRONLY | O_CLOEXEC)) < 0) die("the trace can't be opened");
  folder_length = strlen(dir);
  memcpy(folder, dir, folder_length + 1);
  control = mapped;
}

/* What a path means, from the root; 0 if it is not in our folder. */
static int ours(int dirfd, const char *path, char *full) {
  if (!control) return 0;
  size_t length = 0;
  if (path[0] != '/') {
    char link[64];
    snprintf(link, sizeof link, dirfd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dirfd);
    ssize_t got = readlink(link, full, PATH_MAX - 1);
    if (got < 0) return 0;
    length = got;
    full[length++] = '/';
  }
  if (length + strlen(path) >= PATH_MAX) die("a path is too long");
  strcpy(full + length, path);
  return strncmp(full, folder, folder_length) == 0 && (full[folder_length] == '/' || full[folder_length] == 0);
}

static uint32_t file(int fd) {
  return control && fd >= 0 && fd < FDS_MAX && !is_folder[fd] ? file_of[fd] : 0;
}

/* Appends to the trace. The lock is held. */
static void record(uint32_t kind, uint64_t a, uint64_t b, uint64_t c, const void *data, size_t length) {
  if (trace >= 0) {
    struct { uint32_t kind, length; uint64_t a, b, c; } head = {kind, length, a, b, c};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    if (real_pwritev(trace, parts, 2, control->trace_bytes) != (ssize_t)(sizeof head + length)) die("the trace can't be written");
    control->trace_bytes += sizeof head + length;
  }
  atomic_fetch_add(&control->operations, 1);
}

static void record_paths(uint32_t kind, const char *from, const char *to) {
  char both[2 * PATH_MAX];
  size_t length = strlen(from) + 1;
  memcpy(both, from, length);
  if (to) strcpy(both + length, to);
  record(kind, 0, 0, 0, both, to ? length + strlen(to) : length - 1);
}

static int hit(void) {
  if (control->after) return control->after--, 0;
  uint64_t x = control->random;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  control->random = x;
  if (control->odds && (x >> 16 & 0xffffffff) >= control->odds) return 0;
  atomic_fetch_add(&control->injected, 1);
  return 1;
}

/* The error an operation is to end with, or 0. The lock is held. */
static int fault(uint64_t kinds) {
  uint64_t on = control->faults & kinds;
  if (!on || !hit()) return 0;
  return on & WRITE_ENOSPC ? ENOSPC : on & WRITE_EDQUOT ? EDQUOT : on & NO_THREADS ? EAGAIN : on & NO_FILES ? EMFILE : EIO;
}

#define NO_ROOM (WRITE_ENOSPC | WRITE_EDQUOT)
#define WRITE_FAULTS (NO_ROOM | WRITE_EIO)
#define LOCKED(what) ({                                                                                                    \
    pthread_mutex_lock(&lock);                                                                                             \
    __auto_type done = (what);                                                                                             \
    int kept = errno;                                                                                                      \
    pthread_mutex_unlock(&lock);                                                                                           \
    errno = kept;                                                                                                          \
    done;                                                                                                                  \
  })
#define FAIL_IF(kinds)                                                                                                     \
  do {                                                                                                                     \
    int error = fault(kinds);                                                                                              \
    if (error) return errno = error, -1;                                                                                   \
  } while (0)

/* Opening and closing. */

static int open_locked(const char *full, int flags, mode_t mode) {
  FAIL_IF(NO_FILES);
  if ((flags & O_CREAT) && access(full, F_OK) != 0) FAIL_IF(NO_ROOM);
  int fd = real_openat(AT_FDCWD, full, flags, mode);
  if (fd < 0) return fd;
  struct stat about;
  if (fd >= FDS_MAX || fstat(fd, &about)) die("a file can't be followed");
  is_folder[fd] = S_ISDIR(about.st_mode);
  is_checkpoint[fd] = strstr(full, "/generation-") != NULL;
  file_of[fd] = ++files;
  record(OPEN, files, flags & (O_CREAT | O_TRUNC), is_folder[fd], full, strlen(full));
  return fd;
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode) {
  if (!real_openat) find_real();
  char full[PATH_MAX];
  if (ours(dirfd, path, full)) {
    if ((flags & O_TMPFILE) == O_TMPFILE) die("a file without a name");
    return LOCKED(open_locked(full, flags, mode));
  }
  return real_openat(dirfd, path, flags, mode);
}

#define ARGUMENT(last, type, asked) ({                                                                                     \
    va_list rest;                                                                                                          \
    va_start(rest, last);                                                                                                  \
    type argument = (asked) ? va_arg(rest, type) : 0;                                                                      \
    va_end(rest);                                                                                                          \
    argument;                                                                                                              \
  })
#define MODE(flags) ARGUMENT(flags, mode_t, (flags) & (O_CREAT | O_TMPFILE))
int open(const char *path, int flags, ...) { return open_any(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_any(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int dirfd, const char *path, int flags, ...) { return open_any(dirfd, path, flags, MODE(flags)); }
int openat64(int dirfd, const char *path, int flags, ...) { return open_any(dirfd, path, flags, MODE(flags)); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static void forget(int fd) { if (fd >= 0 && fd < FDS_MAX) file_of[fd] = 0; }
int close(int fd) { if (!real_close) find_real(); forget(fd); return real_close(fd); }
int closedir(DIR *open) { if (!real_closedir) find_real(); forget(dirfd(open)); return real_closedir(open); }

static int copied(int from, int to) {
  if (to >= 0 && to < FDS_MAX && from >= 0 && from < FDS_MAX) {
    is_folder[to] = is_folder[from];
    file_of[to] = file_of[from];
  }
  return to;
}
int dup(int fd) { return copied(fd, real_dup(fd)); }
int dup2(int fd, int to) { return copied(fd, real_dup2(fd, to)); }
int dup3(int fd, int to, int flags) { return copied(fd, real_dup3(fd, to, flags)); }

static int control_fd(int fd, int command, void *with) {
  if (!real_fcntl) find_real();
  int done = real_fcntl(fd, command, with);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, done) : done;
}
int fcntl(int fd, int command, ...) { return control_fd(fd, command, ARGUMENT(command, void *, 1)); }
int fcntl64(int fd, int command, ...) { return control_fd(fd, command, ARGUMENT(command, void *, 1)); }

/* Data. */

static ssize_t write_locked(int fd, const struct iovec *parts, int count, off_t at) {
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  char *data = malloc(length + 1);
  if (!data) die("no memory");
  length = 0;
  for (int i = 0; i < count; i++) memcpy(data + length, parts[i].iov_base, parts[i].iov_len), length += parts[i].iov_len;
  ssize_t done = -1;
  int error = fault(WRITE_FAULTS);
  /* A full disk takes a part first; the rest is refused when it comes. */
  int partly = error && (control->faults & SHORT_WRITES) && length > 1 && (control->random >> 8 & 1);
  if (!error || partly) {
    if (partly) length = 1 + (control->random >> 9) % (length - 1);
    done = at < 0 ? real_write(fd, data, length) : real_pwrite(fd, data, length, at);
    if (done > 0) record(WRITE, file_of[fd], at < 0 ? lseek(fd, 0, SEEK_CUR) - done : at, 0, data, done);
  } else {
    errno = error;
  }
  int kept = errno;
  free(data);
  errno = kept;
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  struct iovec part = {(void *)data, length};
  return file(fd) ? LOCKED(write_locked(fd, &part, 1, -1)) : real_write(fd, data, length);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  struct iovec part = {(void *)data, length};
  return file(fd) ? LOCKED(write_locked(fd, &part, 1, at)) : real_pwrite(fd, data, length, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return pwrite(fd, data, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return file(fd) ? LOCKED(write_locked(fd, parts, count, -1)) : real_writev(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return file(fd) ? LOCKED(write_locked(fd, parts, count, at)) : real_pwritev(fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return pwritev(fd, parts, count, at); }

/* Whoever copies between files writes by himself where this is refused. */
ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags) {
  return file(out) ? (errno = EINVAL, -1) : real_copy_file_range(in, in_at, out, out_at, length, flags);
}
ssize_t sendfile(int out, int in, off_t *at, size_t length) {
  return file(out) ? (errno = EINVAL, -1) : real_sendfile(out, in, at, length);
}
ssize_t sendfile64(int out, int in, off_t *at, size_t length) { return sendfile(out, in, at, length); }

static int truncate_locked(int fd, off_t length) {
  struct stat about;
  int grows = fstat(fd, &about) == 0 && about.st_size < length;
  FAIL_IF(grows ? WRITE_FAULTS : WRITE_EIO);
  int done = real_ftruncate(fd, length);
  if (done == 0) record(TRUNCATE, file_of[fd], length, 0, NULL, 0);
  return done;
}
int ftruncate(int fd, off_t length) { return file(fd) ? LOCKED(truncate_locked(fd, length)) : real_ftruncate(fd, length); }
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

static int allocate_locked(int fd, int mode, off_t at, off_t length) {
  FAIL_IF(WRITE_FAULTS);
  int done = real_fallocate(fd, mode, at, length);
  if (done == 0 && mode == 0) record(ALLOCATE, file_of[fd], at, length, NULL, 0);
  else if (done == 0 && (mode & ~FALLOC_FL_KEEP_SIZE)) {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) die("a kind of fallocate that can't be written down");
    record(ZERO, file_of[fd], at, length, NULL, 0);
  }
  return done;
}
int fallocate(int fd, int mode, off_t at, off_t length) {
  return file(fd) ? LOCKED(allocate_locked(fd, mode, at, length)) : real_fallocate(fd, mode, at, length);
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }
int posix_fallocate(int fd, off_t at, off_t length) { return fallocate(fd, 0, at, length) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }

/* Names. */

static int rename_locked(const char *from, const char *to, unsigned flags) {
  FAIL_IF(WRITE_FAULTS);
  int done = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
  if (done == 0) record_paths(RENAME, from, to);
  return done;
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  char full_from[PATH_MAX], full_to[PATH_MAX];
  int is_from = ours(from_dir, from, full_from), is_to = ours(to_dir, to, full_to);
  if (is_from != is_to || (is_from && flags & RENAME_EXCHANGE)) die("a rename that can't be written down");
  if (is_from) return LOCKED(rename_locked(full_from, full_to, flags));
  return syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return renameat2(from_dir, from, to_dir, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

static int unlink_locked(const char *path, int flags) {
  FAIL_IF(WRITE_EIO);
  int done = real_unlinkat(AT_FDCWD, path, flags);
  if (done == 0) record_paths(flags & AT_REMOVEDIR ? RMDIR : UNLINK, path, NULL);
  return done;
}
int unlinkat(int dirfd, const char *path, int flags) {
  char full[PATH_MAX];
  return ours(dirfd, path, full) ? LOCKED(unlink_locked(full, flags)) : real_unlinkat(dirfd, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat about;
  return lstat(path, &about) == 0 && S_ISDIR(about.st_mode) ? rmdir(path) : unlink(path);
}

static int mkdir_locked(const char *path, mode_t mode) {
  FAIL_IF(WRITE_FAULTS);
  int done = real_mkdirat(AT_FDCWD, path, mode);
  if (done == 0) record_paths(MKDIR, path, NULL);
  return done;
}
int mkdirat(int dirfd, const char *path, mode_t mode) {
  char full[PATH_MAX];
  return ours(dirfd, path, full) ? LOCKED(mkdir_locked(full, mode)) : real_mkdirat(dirfd, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static int link_locked(const char *from, const char *to, int flags) {
  FAIL_IF(WRITE_FAULTS);
  int done = real_linkat(AT_FDCWD, from, AT_FDCWD, to, flags);
  if (done == 0) record_paths(LINK, from, to);
  return done;
}
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  char full_from[PATH_MAX], full_to[PATH_MAX];
  int is_from = ours(from_dir, from, full_from), is_to = ours(to_dir, to, full_to);
  if (is_from != is_to) die("a link that can't be written down");
  return is_from ? LOCKED(link_locked(full_from, full_to, flags)) : real_linkat(from_dir, from, to_dir, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* Syncs. sync_file_range is none: it leaves out the file's size and the drive's cache. */

static int sync_any(int fd, int (*real)(int)) {
  uint32_t number = control && fd >= 0 && fd < FDS_MAX ? file_of[fd] : 0;
  if (!number) return real(fd);
  uint64_t covered = 0;
  while (control->faults & SYNC_HANGS) usleep(1000);
  int error = LOCKED((covered = control->operations, fault(SYNC_EIO | (is_checkpoint[fd] ? CHECKPOINT_SYNC_EIO : 0))));
  int done = error ? (errno = error, -1) : real(fd);
  LOCKED((record(done == 0 ? SYNC : SYNC_FAILED, number, covered, 0, NULL, 0), 0));
  return done;
}
int fsync(int fd) { return sync_any(fd, real_fsync); }
int fdatasync(int fd) { return sync_any(fd, real_fdatasync); }

/* Threads. */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!real_pthread_create) REAL(pthread_create);
  if (control) {
    int error = LOCKED(fault(NO_THREADS));
    if (error) return error;
  }
  return real_pthread_create(thread, attributes, run, argument);
}
