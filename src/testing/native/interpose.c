/*
 * A preloaded library in which real agent processes run unmodified: it makes their shared device
 * fail on command, and makes a FIFO answer like a kernel watchdog.
 *
 * Environment, read once when a process starts:
 *   SBD_FAULT_DEVICE              the device's path, or a directory: every file in it
 *   SBD_FAULT_CONTROL             what happens to its I/O; written by ../fault-control.ts
 *   SBD_VIRTUAL_WATCHDOG          the FIFO's path
 *   SBD_VIRTUAL_WATCHDOG_CONTROL  what kind of watchdog it is; written by ../watchdog-control.ts
 *   SBD_VIRTUAL_BOOT_NS           CLOCK_MONOTONIC_RAW at this virtual machine's boot: it begins there
 * A control file that is named but cannot be mapped ends the process (status 97): a test that
 * believes in faults which never come would prove nothing.
 *
 * Modelled. Storage: pread, pwrite, fdatasync and fsync on descriptors opened on the device. One
 * I/O goes through, in this order: delay; hang, until the control file says otherwise; then error,
 * blank, substituted, lost, torn or late. Watchdog: open (one holder, EBUSY for the second), write,
 * SETTIMEOUT, GETTIMEOUT, GETTIMELEFT, GETSUPPORT, GETSTATUS, GETBOOTSTATUS and KEEPALIVE, as
 * drivers/watchdog/watchdog_dev.c of Linux answers them. Every pet goes into the FIFO as one record
 * with the instant it was made, so that a late reader does not shift it.
 *
 * Not modelled: D state (SIGKILL ends a hang here), read and write without an offset, vectored and
 * asynchronous I/O, duplicated or inherited descriptors, WDIOC_SETOPTIONS, pretimeouts. A late write
 * is queued in a process of its own: it outlives the process that asked for it, as a write queued
 * in the kernel does, and dies with the process group, as the machine's queue does.
 *
 * System calls are made directly, so that nothing depends on the order in which libraries start.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/watchdog.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAULT_MAGIC 0x46444253u    /* "SBDF" */
#define WATCHDOG_MAGIC 0x57444253u /* "SBDW" */
#define CONTROL_VERSION 1u
#define CONTROL_BYTES 4096
#define RELEASED UINT32_MAX
#define NOT_TORN UINT32_MAX
#define LATE_PENDING_MAX 256
#define POLL_MS 1
#define FD_MAX 65536
#define RECORD_LEAD 0xF5
#define RECORD_BYTES 14
#define BROKEN_SETUP_STATUS 97

/* ---- the control files; ../fault-control.ts and ../watchdog-control.ts have the same offsets ---- */

enum direction { READ, WRITE, SYNC, DIRECTIONS };
enum late_report { REPORT_ERROR, REPORT_HANG, REPORT_SUCCESS };

struct fault {
  uint32_t error; /* errno, 0 = none */
  uint32_t hang;
  uint32_t delay_ms;
  uint32_t jitter_ms;
  uint64_t from_byte;
  uint64_t to_byte;
  uint32_t seed;
  uint32_t blank;
  uint32_t substitute;
  uint32_t lose;
  uint32_t torn_bytes; /* NOT_TORN = whole */
  uint32_t late;
  uint32_t late_ms; /* RELEASED = when `late` is taken back */
  uint32_t late_report;
};

struct faults {
  struct fault direction[DIRECTIONS];
  char substitute[256];
  uint8_t reserved[64];
};

struct counters {
  _Atomic uint64_t started;
  _Atomic uint64_t finished;
  _Atomic uint64_t hung;
  _Atomic uint64_t failed;
};

struct fault_control {
  uint32_t magic;
  uint32_t version;
  _Atomic uint64_t generation; /* faults[generation & 1] holds; the writer fills the other first */
  uint8_t reserved0[48];
  struct counters counters[DIRECTIONS];
  _Atomic uint64_t late_queued;
  _Atomic uint64_t late_landed;
  uint8_t reserved1[80];
  struct faults faults[2];
};

struct watchdog_control {
  uint32_t magic;
  uint32_t version;
  uint32_t options;
  uint32_t min_seconds;
  uint32_t max_seconds;
  _Atomic uint32_t timeout_seconds;
  uint32_t boot_status;
  uint32_t firmware_version;
  char identity[32];
  _Atomic uint64_t last_pet_ns;
};

_Static_assert(sizeof(struct fault) == 64, "fault-control.ts writes 64 bytes a direction");
_Static_assert(sizeof(struct faults) == 512, "fault-control.ts writes 512 bytes a set");
_Static_assert(offsetof(struct fault_control, counters) == 64, "fault-control.ts reads there");
_Static_assert(offsetof(struct fault_control, late_queued) == 160, "fault-control.ts reads there");
_Static_assert(offsetof(struct fault_control, faults) == 256, "fault-control.ts writes there");
_Static_assert(offsetof(struct watchdog_control, last_pet_ns) == 64, "watchdog-control.ts");

enum fd_kind { OTHER, DEVICE, WATCHDOG };

static struct fault_control *fault_control;
static struct watchdog_control *watchdog_control;
static const char *device_path;
static const char *watchdog_path;
static int64_t boot_raw_ns;
static _Atomic unsigned char fd_kinds[FD_MAX];

/* ---- start ---- */

static void *map_control(const char *variable, uint32_t magic) {
  const char *path = getenv(variable);
  if (path == NULL) {
    dprintf(2, "interpose: %s is not set\n", variable);
    _exit(BROKEN_SETUP_STATUS);
  }
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  void *map = MAP_FAILED;
  if (fd >= 0) {
    map = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
  }
  if (map == MAP_FAILED) {
    dprintf(2, "interpose: cannot map %s (%s): %s\n", path, variable, strerror(errno));
    _exit(BROKEN_SETUP_STATUS);
  }
  const uint32_t *head = map;
  if (head[0] != magic || head[1] != CONTROL_VERSION) {
    dprintf(2, "interpose: %s (%s) is not a control file of this version\n", path, variable);
    _exit(BROKEN_SETUP_STATUS);
  }
  return map;
}

__attribute__((constructor)) static void start(void) {
  device_path = getenv("SBD_FAULT_DEVICE");
  watchdog_path = getenv("SBD_VIRTUAL_WATCHDOG");
  const char *boot_ns = getenv("SBD_VIRTUAL_BOOT_NS");
  if (boot_ns != NULL) boot_raw_ns = strtoll(boot_ns, NULL, 10);
  if (device_path != NULL) fault_control = map_control("SBD_FAULT_CONTROL", FAULT_MAGIC);
  if (watchdog_path != NULL)
    watchdog_control = map_control("SBD_VIRTUAL_WATCHDOG_CONTROL", WATCHDOG_MAGIC);
}

/* ---- time ---- */

/* A virtual machine's unslewed clock begins at its boot, as a real one's does. The other clocks do
 * not: timers are set on them, and the kernel knows the real ones only. */
int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_MONOTONIC_RAW && boot_raw_ns != 0) {
    int64_t since_boot_ns = now->tv_sec * 1000000000L + now->tv_nsec - boot_raw_ns;
    now->tv_sec = since_boot_ns / 1000000000L;
    now->tv_nsec = since_boot_ns % 1000000000L;
  }
  return result;
}

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(uint64_t ms) {
  struct timespec until = {0};
  uint64_t until_ns = monotonic_ns() + ms * 1000000u;
  until.tv_sec = (time_t)(until_ns / 1000000000u);
  until.tv_nsec = (long)(until_ns % 1000000000u);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

/* ---- which descriptors are ours ---- */

static enum fd_kind kind_of(int fd) {
  return fd >= 0 && fd < FD_MAX ? atomic_load(&fd_kinds[fd]) : OTHER;
}

/* Where a descriptor leads, links resolved; false when the kernel does not say. */
static bool real_path_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return true;
}

static bool leads_to(int fd, const char *path, const char *target) {
  if (path[0] == '/' && strcmp(path, target) == 0) return true;
  char real_target[PATH_MAX];
  char real[PATH_MAX];
  if (!real_path_of(fd, real) || realpath(target, real_target) == NULL) return false;
  size_t length = strlen(real_target);
  return strncmp(real, real_target, length) == 0 && (real[length] == '\0' || real[length] == '/');
}

/* ---- the watchdog ---- */

static int announce(int fd, char kind, uint32_t value) {
  uint64_t now_ns = monotonic_ns();
  uint8_t record[RECORD_BYTES] = {RECORD_LEAD, (uint8_t)kind};
  memcpy(record + 2, &value, sizeof value);
  memcpy(record + 6, &now_ns, sizeof now_ns);
  long written = syscall(SYS_write, fd, record, sizeof record);
  if (written != RECORD_BYTES) return -1;
  atomic_store(&watchdog_control->last_pet_ns, now_ns);
  return 0;
}

static int watchdog_opened(int fd) {
  /* The lock goes with the open file, as the driver's own bit does: also when the holder is killed. */
  if (syscall(SYS_flock, fd, LOCK_EX | LOCK_NB) != 0) {
    syscall(SYS_close, fd);
    errno = EBUSY;
    return -1;
  }
  uint64_t before_ns = atomic_load(&watchdog_control->last_pet_ns);
  announce(fd, 'O', 0);
  /* Opening one that ticks already is no pet; zero says that it does not tick. */
  if (before_ns != 0) atomic_store(&watchdog_control->last_pet_ns, before_ns);
  atomic_store(&fd_kinds[fd], WATCHDOG);
  return fd;
}

static ssize_t watchdog_write(int fd, const void *bytes, size_t length) {
  if (length == 0) return 0;
  char kind = memchr(bytes, 'V', length) != NULL ? 'V' : 'P';
  return announce(fd, kind, 0) == 0 ? (ssize_t)length : -1;
}

static int answer(int *argument, uint32_t value) {
  *argument = (int)value;
  return 0;
}

static int refuse(int error) {
  errno = error;
  return -1;
}

static int set_timeout(int fd, int *argument) {
  struct watchdog_control *control = watchdog_control;
  if (!(control->options & WDIOF_SETTIMEOUT)) return refuse(EOPNOTSUPP);
  if (*argument < 0 || (uint32_t)*argument < control->min_seconds ||
      (uint32_t)*argument > control->max_seconds)
    return refuse(EINVAL);
  atomic_store(&control->timeout_seconds, (uint32_t)*argument);
  return announce(fd, 'T', (uint32_t)*argument);
}

static uint32_t seconds_left(void) {
  uint64_t since_ns = monotonic_ns() - atomic_load(&watchdog_control->last_pet_ns);
  uint64_t timeout_ns = atomic_load(&watchdog_control->timeout_seconds) * 1000000000ull;
  return since_ns >= timeout_ns ? 0 : (uint32_t)((timeout_ns - since_ns) / 1000000000u);
}

static int watchdog_ioctl(int fd, unsigned long request, void *argument) {
  struct watchdog_control *control = watchdog_control;
  switch (request) {
    case WDIOC_GETSUPPORT: {
      struct watchdog_info *info = argument;
      info->options = control->options;
      info->firmware_version = control->firmware_version;
      memcpy(info->identity, control->identity, sizeof info->identity);
      return 0;
    }
    case WDIOC_GETSTATUS:
      return answer(argument, 0);
    case WDIOC_GETBOOTSTATUS:
      return answer(argument, control->boot_status);
    case WDIOC_SETTIMEOUT:
      return set_timeout(fd, argument);
    case WDIOC_GETTIMEOUT:
      return answer(argument, atomic_load(&control->timeout_seconds));
    case WDIOC_GETTIMELEFT:
      return answer(argument, seconds_left());
    case WDIOC_KEEPALIVE:
      return control->options & WDIOF_KEEPALIVEPING ? announce(fd, 'P', 0) : refuse(EOPNOTSUPP);
    default:
      return refuse(ENOTTY);
  }
}

/* ---- storage faults ---- */

static struct faults current_faults(void) {
  struct faults copy;
  uint64_t generation;
  do {
    generation = atomic_load(&fault_control->generation);
    memcpy(&copy, &fault_control->faults[generation & 1], sizeof copy);
    atomic_thread_fence(memory_order_seq_cst);
  } while (atomic_load(&fault_control->generation) != generation);
  return copy;
}

/* The fault that applies to this range now; all zero, with the healthy values, when none does. */
static struct fault fault_for(enum direction direction, uint64_t offset, uint64_t length) {
  struct fault fault = current_faults().direction[direction];
  bool outside = offset >= fault.to_byte || offset + length <= fault.from_byte;
  if (direction != SYNC && outside) fault = (struct fault){.torn_bytes = NOT_TORN};
  return fault;
}

static uint32_t jitter(const struct fault *fault, uint64_t io) {
  uint64_t x = (fault->seed + io) * 6364136223846793005ull + 1442695040888963407ull;
  x = x * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)((x >> 33) % ((uint64_t)fault->jitter_ms + 1));
}

/* Delays and hangs; answers what then happens to the I/O. */
static struct fault pass(enum direction direction, uint64_t offset, uint64_t length) {
  struct counters *counters = &fault_control->counters[direction];
  uint64_t io = atomic_fetch_add(&counters->started, 1);
  struct fault fault = fault_for(direction, offset, length);
  if (fault.delay_ms != 0 || fault.jitter_ms != 0) {
    sleep_ms((uint64_t)fault.delay_ms + jitter(&fault, io));
    fault = fault_for(direction, offset, length);
  }
  if (fault.hang) atomic_fetch_add(&counters->hung, 1);
  while (fault.hang) {
    sleep_ms(POLL_MS);
    fault = fault_for(direction, offset, length);
  }
  return fault;
}

static ssize_t done(enum direction direction, ssize_t result) {
  int error = errno;
  if (result < 0) atomic_fetch_add(&fault_control->counters[direction].failed, 1);
  atomic_fetch_add(&fault_control->counters[direction].finished, 1);
  errno = error;
  return result;
}

static ssize_t substituted_read(int fd, void *bytes, size_t length, off_t offset) {
  struct faults faults = current_faults();
  char path[PATH_MAX + sizeof faults.substitute];
  char real[PATH_MAX];
  struct stat status;
  faults.substitute[sizeof faults.substitute - 1] = '\0';
  snprintf(path, sizeof path, "%s", faults.substitute);
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode) && real_path_of(fd, real))
    snprintf(path, sizeof path, "%s/%s", faults.substitute, basename(real));
  int other = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (other < 0) return refuse(EIO);
  ssize_t result = syscall(SYS_pread64, other, bytes, length, offset);
  int error = errno;
  syscall(SYS_close, other);
  errno = error;
  return result;
}

/* Old bytes with the first `torn_bytes` new: also inside one block, which O_DIRECT cannot write. */
static ssize_t torn_write(int fd, const void *bytes, size_t length, off_t offset, size_t torn) {
  void *merged = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (merged == MAP_FAILED) return refuse(ENOMEM);
  ssize_t result = syscall(SYS_pread64, fd, merged, length, offset);
  if (result >= 0) {
    memcpy(merged, bytes, torn < length ? torn : length);
    result = syscall(SYS_pwrite64, fd, merged, length, offset);
  }
  int error = errno;
  munmap(merged, length);
  errno = error;
  return result;
}

/* A queued write, in memory that its asker and its process share. The bytes follow at `data`. */
struct landing {
  _Atomic int landed;
  int error;
  ssize_t result;
};
#define LANDING_DATA_OFFSET 4096

static void close_all_but(int fd) {
  /* Above all the watchdog: a process that holds it open keeps its death from being seen. */
  if (fd > 0) syscall(SYS_close_range, 0u, (unsigned)fd - 1, 0u);
  syscall(SYS_close_range, (unsigned)fd + 1, ~0u, 0u);
}

static _Noreturn void land(struct landing *landing, int fd, size_t length, off_t offset,
                           uint32_t late_ms) {
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  close_all_but(fd);
  if (late_ms != RELEASED) {
    sleep_ms(late_ms);
  } else {
    for (struct fault now = current_faults().direction[WRITE]; now.late && now.late_ms == RELEASED;
         now = current_faults().direction[WRITE])
      sleep_ms(POLL_MS);
  }
  const char *data = (const char *)landing + LANDING_DATA_OFFSET;
  landing->result = syscall(SYS_pwrite64, fd, data, length, offset);
  landing->error = errno;
  atomic_fetch_add(&fault_control->late_landed, 1);
  atomic_store(&landing->landed, 1);
  _exit(0);
}

/* Starts the process that lands the write, as nobody's child, so that nobody has to reap it. */
static bool queue(struct landing *landing, int fd, size_t length, off_t offset, uint32_t late_ms) {
  pid_t child = _Fork();
  if (child < 0) return false;
  if (child == 0) {
    pid_t grandchild = _Fork();
    if (grandchild == 0) land(landing, fd, length, offset, late_ms);
    _exit(grandchild < 0 ? 1 : 0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ssize_t late_write(const struct fault *fault, int fd, const void *bytes, size_t length,
                          off_t offset) {
  uint64_t landed = atomic_load(&fault_control->late_landed);
  if (atomic_load(&fault_control->late_queued) - landed >= LATE_PENDING_MAX) return refuse(EIO);
  size_t size = LANDING_DATA_OFFSET + length;
  struct landing *landing =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (landing == MAP_FAILED) return refuse(EIO);
  memcpy((char *)landing + LANDING_DATA_OFFSET, bytes, length);
  atomic_fetch_add(&fault_control->late_queued, 1);
  bool queued = queue(landing, fd, length, offset, fault->late_ms);
  if (!queued) atomic_fetch_sub(&fault_control->late_queued, 1);
  ssize_t result = (ssize_t)length;
  int error = 0;
  if (!queued || fault->late_report == REPORT_ERROR) {
    result = -1;
    error = fault->error != 0 ? (int)fault->error : EIO;
  } else if (fault->late_report == REPORT_HANG) {
    while (!atomic_load(&landing->landed)) sleep_ms(POLL_MS);
    result = landing->result;
    error = landing->error;
  }
  munmap(landing, size);
  errno = error;
  return result;
}

static ssize_t device_read(int fd, void *bytes, size_t length, off_t offset) {
  struct fault fault = pass(READ, (uint64_t)offset, length);
  if (fault.error) return done(READ, refuse((int)fault.error));
  if (fault.blank) return done(READ, (memset(bytes, 0, length), (ssize_t)length));
  if (fault.substitute) return done(READ, substituted_read(fd, bytes, length, offset));
  return done(READ, syscall(SYS_pread64, fd, bytes, length, offset));
}

static ssize_t device_write(int fd, const void *bytes, size_t length, off_t offset) {
  struct fault fault = pass(WRITE, (uint64_t)offset, length);
  if (fault.late) return done(WRITE, late_write(&fault, fd, bytes, length, offset));
  if (fault.torn_bytes != NOT_TORN) {
    ssize_t result = torn_write(fd, bytes, length, offset, fault.torn_bytes);
    return done(WRITE, result >= 0 && fault.error ? refuse((int)fault.error) : result);
  }
  if (fault.error) return done(WRITE, refuse((int)fault.error));
  if (fault.lose) return done(WRITE, (ssize_t)length);
  return done(WRITE, syscall(SYS_pwrite64, fd, bytes, length, offset));
}

static int device_sync(int fd, long call) {
  struct fault fault = pass(SYNC, 0, 0);
  if (fault.error) return (int)done(SYNC, refuse((int)fault.error));
  return (int)done(SYNC, syscall(call, fd));
}

/* ---- what processes call ---- */

static int opened(int fd, const char *path) {
  if (fd < 0 || fd >= FD_MAX) return fd;
  int error = errno;
  enum fd_kind kind = OTHER;
  if (watchdog_control != NULL && leads_to(fd, path, watchdog_path)) return watchdog_opened(fd);
  if (fault_control != NULL && leads_to(fd, path, device_path)) kind = DEVICE;
  atomic_store(&fd_kinds[fd], kind);
  errno = error;
  return fd;
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
  return opened((int)syscall(SYS_openat, directory, path, flags, mode), path);
}

#define MODE_AFTER(last)                                 \
  mode_t mode = 0;                                       \
  if (((last) & O_CREAT) != 0 || ((last) & O_TMPFILE) == O_TMPFILE) { \
    va_list arguments;                                   \
    va_start(arguments, last);                           \
    mode = va_arg(arguments, mode_t);                    \
    va_end(arguments);                                   \
  }

int open(const char *path, int flags, ...) {
  MODE_AFTER(flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE_AFTER(flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  MODE_AFTER(flags)
  return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  MODE_AFTER(flags)
  return open_at(directory, path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < FD_MAX) atomic_store(&fd_kinds[fd], OTHER);
  return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (kind_of(fd) == WATCHDOG) return watchdog_write(fd, bytes, length);
  return syscall(SYS_write, fd, bytes, length);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (kind_of(fd) == WATCHDOG) return watchdog_ioctl(fd, request, argument);
  return (int)syscall(SYS_ioctl, fd, request, argument);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
  if (kind_of(fd) == DEVICE) return device_read(fd, bytes, length, offset);
  return syscall(SYS_pread64, fd, bytes, length, offset);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
  return pread(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  if (kind_of(fd) == DEVICE) return device_write(fd, bytes, length, offset);
  return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return pwrite(fd, bytes, length, offset);
}

int fdatasync(int fd) {
  if (kind_of(fd) == DEVICE) return device_sync(fd, SYS_fdatasync);
  return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
  if (kind_of(fd) == DEVICE) return device_sync(fd, SYS_fsync);
  return (int)syscall(SYS_fsync, fd);
}
