/*
 * The system calls that Node.js does not offer, and the petter.
 *
 * Rules of this file
 * - No function throws: a failure is returned as -errno, a malformed call as -EINVAL.
 * - Nothing is kept per isolate, so the main isolate and every worker may load it. The petter and
 *   its latch are one per process, whichever isolate calls.
 * - Blocking calls block their caller. What may hang is called from a thread that can be spared.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/watchdog.h>
#include <node_api.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

/* ---- Values in and out ---------------------------------------------------------------------- */

static napi_value number(napi_env env, double value) {
  napi_value out = NULL;
  napi_create_double(env, value, &out);
  return out;
}

static napi_value bigint(napi_env env, int64_t value) {
  napi_value out = NULL;
  napi_create_bigint_int64(env, value, &out);
  return out;
}

static napi_value boolean(napi_env env, bool value) {
  napi_value out = NULL;
  napi_get_boolean(env, value, &out);
  return out;
}

static napi_value failure(napi_env env, int error) { return number(env, -error); }

/* What a system call answered: its own result, or -errno. Call it before anything else can. */
static napi_value answer(napi_env env, long result) {
  return result < 0 ? failure(env, errno) : number(env, (double)result);
}

static void set(napi_env env, napi_value object, const char *name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

/* Missing arguments arrive as `undefined`, which every reader below refuses. */
static void read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *out) {
  napi_get_cb_info(env, info, &count, out, NULL, NULL);
}

static bool read_int(napi_env env, napi_value value, int *out) {
  int32_t number = 0;
  if (napi_get_value_int32(env, value, &number) != napi_ok) return false;
  *out = number;
  return true;
}

static bool read_offset(napi_env env, napi_value value, int64_t *out) {
  return napi_get_value_int64(env, value, out) == napi_ok && *out >= 0;
}

static bool read_bigint(napi_env env, napi_value value, int64_t *out) {
  bool lossless = false;
  return napi_get_value_bigint_int64(env, value, out, &lossless) == napi_ok && lossless;
}

/* A copy to be freed, or NULL. */
static char *read_string(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return NULL;
  char *copy = malloc(length + 1);
  if (copy == NULL) return NULL;
  napi_get_value_string_utf8(env, value, copy, length + 1, &length);
  if (strlen(copy) == length) return copy;
  free(copy); /* An embedded NUL would name another file than the one asked for. */
  return NULL;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static napi_value sys_open(napi_env env, napi_callback_info info) {
  napi_value argument[3];
  int flags, mode;
  read_arguments(env, info, 3, argument);
  if (!read_int(env, argument[1], &flags) || !read_int(env, argument[2], &mode))
    return failure(env, EINVAL);
  char *path = read_string(env, argument[0]);
  if (path == NULL) return failure(env, EINVAL);
  /* A descriptor that a child inherits would hold a watchdog open, or a lock, beyond our death. */
  int fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
  napi_value result = answer(env, fd);
  free(path);
  return result;
}

static napi_value sys_close(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int fd;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  return answer(env, close(fd));
}

struct transfer {
  int fd;
  uint8_t *bytes;
  size_t length;
  off_t position;
};

static bool read_transfer(napi_env env, napi_callback_info info, struct transfer *out) {
  napi_value argument[5];
  void *data = NULL;
  size_t capacity = 0;
  int64_t buffer_offset, length, position;
  bool is_buffer = false;
  read_arguments(env, info, 5, argument);
  if (napi_is_buffer(env, argument[1], &is_buffer) != napi_ok || !is_buffer) return false;
  if (napi_get_buffer_info(env, argument[1], &data, &capacity) != napi_ok) return false;
  if (!read_int(env, argument[0], &out->fd)) return false;
  if (!read_offset(env, argument[2], &buffer_offset)) return false;
  if (!read_offset(env, argument[3], &length)) return false;
  if (!read_offset(env, argument[4], &position)) return false;
  if ((uint64_t)buffer_offset > capacity || (uint64_t)length > capacity - (uint64_t)buffer_offset)
    return false;
  out->bytes = (uint8_t *)data + buffer_offset;
  out->length = (size_t)length;
  out->position = position;
  return true;
}

static napi_value sys_pread(napi_env env, napi_callback_info info) {
  struct transfer t;
  if (!read_transfer(env, info, &t)) return failure(env, EINVAL);
  return answer(env, TEMP_FAILURE_RETRY(pread(t.fd, t.bytes, t.length, t.position)));
}

static napi_value sys_pwrite(napi_env env, napi_callback_info info) {
  struct transfer t;
  if (!read_transfer(env, info, &t)) return failure(env, EINVAL);
  return answer(env, TEMP_FAILURE_RETRY(pwrite(t.fd, t.bytes, t.length, t.position)));
}

static napi_value sys_fdatasync(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int fd;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  return answer(env, fdatasync(fd));
}

static napi_value sys_write_byte(napi_env env, napi_callback_info info) {
  napi_value argument[2];
  int fd, byte;
  read_arguments(env, info, 2, argument);
  if (!read_int(env, argument[0], &fd) || !read_int(env, argument[1], &byte))
    return failure(env, EINVAL);
  if (byte < 0 || byte > UINT8_MAX) return failure(env, EINVAL);
  uint8_t value = (uint8_t)byte;
  return answer(env, TEMP_FAILURE_RETRY(write(fd, &value, 1)));
}

static napi_value sys_flock_exclusive(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int fd;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  return answer(env, flock(fd, LOCK_EX | LOCK_NB));
}

/* The largest logical block size in the field; O_DIRECT wants memory aligned to it. */
#define BUFFER_ALIGNMENT 4096
#define BUFFER_SIZE_MAX (64 * 1024 * 1024)

static void free_buffer(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

static napi_value sys_aligned_buffer(napi_env env, napi_callback_info info) {
  napi_value argument[1], buffer;
  int64_t size;
  void *data = NULL;
  read_arguments(env, info, 1, argument);
  if (!read_offset(env, argument[0], &size) || size == 0 || size > BUFFER_SIZE_MAX)
    return failure(env, EINVAL);
  int error = posix_memalign(&data, BUFFER_ALIGNMENT, (size_t)size);
  if (error != 0) return failure(env, error);
  memset(data, 0, (size_t)size);
  if (napi_create_external_buffer(env, (size_t)size, data, free_buffer, NULL, &buffer) == napi_ok)
    return buffer;
  free(data);
  return failure(env, ENOMEM);
}

static napi_value sys_block_sizes(napi_env env, napi_callback_info info) {
  napi_value argument[1], out;
  int fd, logical = 0, read_only = 0;
  unsigned int physical = 0;
  uint64_t size = 0;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  if (ioctl(fd, BLKSSZGET, &logical) < 0 || ioctl(fd, BLKPBSZGET, &physical) < 0 ||
      ioctl(fd, BLKGETSIZE64, &size) < 0 || ioctl(fd, BLKROGET, &read_only) < 0)
    return failure(env, errno);
  napi_create_object(env, &out);
  set(env, out, "logical", number(env, logical));
  set(env, out, "physical", number(env, physical));
  set(env, out, "sizeBytes", number(env, (double)size));
  set(env, out, "readOnly", boolean(env, read_only != 0));
  return out;
}

/* ---- Clocks --------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/*
 * Time spent suspended = BOOTTIME - MONOTONIC; both are slewed alike, so the difference is not.
 * With BOOTTIME read first, a sample is never more than the truth, however long this thread is
 * preempted or the machine suspended in between. The truth never shrinks. So the largest sample
 * of all is the best estimate, and it never goes back.
 */
static int64_t suspended_ns(void) {
  static atomic_llong largest = 0;
  enum { SAMPLES = 3 }; /* One that was preempted does not matter then. */
  long long known = atomic_load(&largest);
  for (int i = 0; i < SAMPLES; i++) {
    int64_t boot = clock_ns(CLOCK_BOOTTIME);
    int64_t sample = boot - clock_ns(CLOCK_MONOTONIC);
    while (sample > known && !atomic_compare_exchange_weak(&largest, &known, sample)) {
    }
    if (sample > known) known = sample;
  }
  return known;
}

/* Time since boot that NTP cannot slew and suspension cannot stop. */
static int64_t lived_ns(void) {
  int64_t suspended = suspended_ns();
  return clock_ns(CLOCK_MONOTONIC_RAW) + suspended;
}

static napi_value sys_lived_ns(napi_env env, napi_callback_info info) {
  (void)info;
  return bigint(env, lived_ns());
}

static napi_value sys_monotonic_raw_ns(napi_env env, napi_callback_info info) {
  (void)info;
  return bigint(env, clock_ns(CLOCK_MONOTONIC_RAW));
}

/* ---- Watchdog ------------------------------------------------------------------------------- */

static napi_value watchdog_set_timeout(napi_env env, napi_callback_info info) {
  napi_value argument[2];
  int fd, seconds;
  read_arguments(env, info, 2, argument);
  if (!read_int(env, argument[0], &fd) || !read_int(env, argument[1], &seconds))
    return failure(env, EINVAL);
  if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0) return failure(env, errno);
  return number(env, seconds);
}

static napi_value watchdog_get(napi_env env, napi_callback_info info, unsigned long request) {
  napi_value argument[1];
  int fd, value = 0;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  if (ioctl(fd, request, &value) < 0) return failure(env, errno);
  return number(env, value);
}

static napi_value watchdog_get_timeout(napi_env env, napi_callback_info info) {
  return watchdog_get(env, info, WDIOC_GETTIMEOUT);
}

static napi_value watchdog_get_timeleft(napi_env env, napi_callback_info info) {
  return watchdog_get(env, info, WDIOC_GETTIMELEFT);
}

static napi_value watchdog_get_boot_status(napi_env env, napi_callback_info info) {
  return watchdog_get(env, info, WDIOC_GETBOOTSTATUS);
}

static napi_value watchdog_get_support(napi_env env, napi_callback_info info) {
  napi_value argument[1], out, identity;
  struct watchdog_info support;
  int fd;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &fd)) return failure(env, EINVAL);
  memset(&support, 0, sizeof support);
  if (ioctl(fd, WDIOC_GETSUPPORT, &support) < 0) return failure(env, errno);
  const char *name = (const char *)support.identity;
  napi_create_string_latin1(env, name, strnlen(name, sizeof support.identity), &identity);
  napi_create_object(env, &out);
  set(env, out, "options", number(env, support.options));
  set(env, out, "firmwareVersion", number(env, support.firmware_version));
  set(env, out, "identity", identity);
  return out;
}

static napi_value watchdog_ioctl_numbers(napi_env env, napi_callback_info info) {
  napi_value out;
  (void)info;
  napi_create_object(env, &out);
  set(env, out, "setTimeout", number(env, WDIOC_SETTIMEOUT));
  set(env, out, "getTimeout", number(env, WDIOC_GETTIMEOUT));
  set(env, out, "getTimeleft", number(env, WDIOC_GETTIMELEFT));
  set(env, out, "getSupport", number(env, WDIOC_GETSUPPORT));
  set(env, out, "getBootStatus", number(env, WDIOC_GETBOOTSTATUS));
  return out;
}

/* ---- Process -------------------------------------------------------------------------------- */

/*
 * There is no mlockall here: V8 gives memory back by MADV_DONTNEED, which fails on locked pages, and
 * aborts the process over that. ONFAULT, as only what is used of a program of 120 MB is wanted.
 */
static napi_value sys_mlock_on_fault(napi_env env, napi_callback_info info) {
  napi_value argument[2];
  int64_t address, length;
  read_arguments(env, info, 2, argument);
  if (!read_bigint(env, argument[0], &address) || !read_offset(env, argument[1], &length))
    return failure(env, EINVAL);
  return answer(env, mlock2((void *)(intptr_t)address, (size_t)length, MLOCK_ONFAULT));
}

static napi_value sys_set_parent_death_signal(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int signal_number;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &signal_number)) return failure(env, EINVAL);
  return answer(env, prctl(PR_SET_PDEATHSIG, (unsigned long)signal_number, 0, 0, 0));
}

enum { EXIT_NO_NAMESPACE = 126, EXIT_NO_PROGRAM = 127 };

/* Between fork and exec in a threaded process only async-signal-safe calls are allowed. */
static _Noreturn void exec_in_namespace(int namespace_fd, char **arguments) {
  static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL); /* Node ignores it, and exec would hand that on. */
  if (setns(namespace_fd, CLONE_NEWNS) < 0) _exit(EXIT_NO_NAMESPACE);
  execve(arguments[0], arguments, environment);
  _exit(EXIT_NO_PROGRAM);
}

static void free_strings(char **strings) {
  for (char **each = strings; *each != NULL; each++) free(*each);
  free(strings);
}

/* A NULL-terminated copy of an array of strings, or NULL. */
static char **read_strings(napi_env env, napi_value array) {
  uint32_t count = 0;
  if (napi_get_array_length(env, array, &count) != napi_ok || count == 0 || count > 64) return NULL;
  char **strings = calloc(count + 1, sizeof *strings);
  if (strings == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    if (napi_get_element(env, array, i, &element) == napi_ok)
      strings[i] = read_string(env, element);
    if (strings[i] == NULL) {
      free_strings(strings);
      return NULL;
    }
  }
  return strings;
}

/* The pid namespace needs no joining: what we start there reaches init through its socket. */
static napi_value run_in_host_namespaces(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  read_arguments(env, info, 1, argument);
  char **arguments = read_strings(env, argument[0]);
  if (arguments == NULL) return failure(env, EINVAL);
  int namespace_fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (namespace_fd < 0) {
    napi_value result = failure(env, errno);
    free_strings(arguments);
    return result;
  }
  pid_t child = fork();
  if (child == 0) exec_in_namespace(namespace_fd, arguments);
  napi_value result = answer(env, child);
  close(namespace_fd);
  free_strings(arguments);
  return result;
}

/* Exit code, or 128 + signal, of a child of runInHostNamespaces; -EAGAIN while it runs. */
static napi_value child_status(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int pid, status;
  read_arguments(env, info, 1, argument);
  if (!read_int(env, argument[0], &pid) || pid <= 0) return failure(env, EINVAL);
  pid_t reaped = waitpid(pid, &status, WNOHANG);
  if (reaped < 0) return failure(env, errno);
  if (reaped == 0) return failure(env, EAGAIN);
  return number(env, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- The petter ----------------------------------------------------------------------------- */

/*
 * A dead-man switch. JavaScript pushes a deadline forward; two threads look at it and nothing else:
 * - the pet thread pets each period while the clock is before the deadline;
 * - the deadline thread sleeps until the deadline and then reboots the machine through sysrq. It is
 *   a thread of its own because a pet can block in its driver, and that must not delay a death.
 *
 * Neither takes a lock or allocates. What they share with JavaScript is atomic, so that a thread
 * of JavaScript, preempted anywhere, cannot hold them up.
 *
 * Invariants
 * - the deadline never moves back; once passed, it stays passed in this process;
 * - once latched, nothing pets, pushes, starts or stops it in this process;
 * - the byte written to a watchdog is never 'V', which would disarm it.
 */
#define DEADLINE_PASSED LLONG_MIN
#define DEADLINE_NONE LLONG_MAX /* not started, or stopped */
#define PET_BYTE '.'
#define REBOOT_BYTE 'b'
/* Above all ordinary work, below the kernel's interrupt threads (50). */
#define FIFO_PRIORITY 20
#define STACK_BYTES (256 * 1024)
#define SYSRQ_RETRY_NS (100 * NS_PER_MS)
#define STOP_WAIT_NS NS_PER_S
#define LATCH_WAIT_NS (50 * NS_PER_MS)

/* Stacks of their own, so that they can be locked without touching V8's memory. */
static _Alignas(4096) uint8_t stacks[2][STACK_BYTES];

struct timed_thread {
  bool exists; /* of start and stop, under `control`; the thread never looks */
  pthread_t id;
  int stop_fd;
  int timer_fd;
};

static struct {
  /* Set by start before the threads exist, constant while they run. */
  int watchdog_fd;
  int sysrq_fd;
  int64_t period_ns;
  struct timed_thread pet_thread;
  struct timed_thread deadline_thread;

  atomic_llong deadline; /* or DEADLINE_PASSED, or DEADLINE_NONE */
  atomic_llong last_deadline;
  atomic_bool latched;
  atomic_bool petting;
  atomic_bool sysrq_written;
  atomic_llong pets;
  atomic_llong pet_errors;
  atomic_int last_pet_error;
  atomic_int last_sysrq_error;
  atomic_llong worst_lateness_ns;
  atomic_int fifo_errno;
} petter = {.deadline = DEADLINE_NONE};

static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;

/*
 * Passing and pushing exchange the same word, so that exactly one of them wins. The clock is read
 * before the deadline: a thread preempted between the two then judges by the later deadline.
 */
static bool deadline_has_passed(void) {
  int64_t now = lived_ns();
  long long deadline = atomic_load(&petter.deadline);
  while (deadline != DEADLINE_PASSED && now >= deadline)
    if (atomic_compare_exchange_weak(&petter.deadline, &deadline, DEADLINE_PASSED)) return true;
  return deadline == DEADLINE_PASSED;
}

/* 0: the deadline moved to `wanted`, or stood there or later already. Else -errno. */
static int push_deadline(int64_t wanted) {
  if (atomic_load(&petter.latched)) return -EPERM;
  if (deadline_has_passed()) return -ETIME;
  long long deadline = atomic_load(&petter.deadline);
  if (deadline == DEADLINE_NONE) return -ESRCH;
  while (deadline != DEADLINE_PASSED && wanted > deadline)
    if (atomic_compare_exchange_weak(&petter.deadline, &deadline, wanted)) {
      atomic_store(&petter.last_deadline, wanted);
      return 0;
    }
  return deadline == DEADLINE_PASSED ? -ETIME : 0;
}

/*
 * Sleeps until `due_ns`; false when told to stop. The timer runs on BOOTTIME, so that it goes off
 * at once when a suspended machine wakes too late. NTP may slew that clock against ours by a tenth,
 * hence the approach in steps of 7/8 of what remains: the last step is too short to be slewed far.
 */
static bool sleep_until(const struct timed_thread *self, int64_t due_ns) {
  for (;;) {
    int64_t boot = clock_ns(CLOCK_BOOTTIME);
    int64_t remaining = due_ns - lived_ns();
    if (remaining <= 0) return true;
    int64_t wake = boot + (remaining > 2 * NS_PER_MS ? remaining - remaining / 8 : remaining);
    struct itimerspec timer = {.it_value = {wake / NS_PER_S, wake % NS_PER_S}};
    struct pollfd events[2] = {{.fd = self->timer_fd, .events = POLLIN},
                               {.fd = self->stop_fd, .events = POLLIN}};
    timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
    poll(events, 2, -1);
    if (events[1].revents != 0) return false;
  }
}

static void note_lateness(int64_t lateness) {
  if (lateness > atomic_load(&petter.worst_lateness_ns))
    atomic_store(&petter.worst_lateness_ns, lateness);
}

static void write_pet(void) {
  const char byte = PET_BYTE;
  if (write(petter.watchdog_fd, &byte, 1) == 1) {
    atomic_fetch_add(&petter.pets, 1);
    return;
  }
  atomic_store(&petter.last_pet_error, errno);
  atomic_fetch_add(&petter.pet_errors, 1);
}

/* False when no pet is allowed, now or ever again. */
static bool pet(void) {
  /* Raised before the latch is read: whoever latches sees a pet that did not see the latch. */
  atomic_store(&petter.petting, true);
  bool allowed = !atomic_load(&petter.latched) && !deadline_has_passed();
  if (allowed) write_pet();
  atomic_store(&petter.petting, false);
  return allowed;
}

static void *run_pet_thread(void *unused) {
  int64_t due = lived_ns();
  (void)unused;
  while (pet()) {
    int64_t now = lived_ns();
    due += petter.period_ns;
    /* After a stall the missed pets are not made up for. */
    if (due < now) due = now + petter.period_ns;
    if (!sleep_until(&petter.pet_thread, due)) break;
    note_lateness(lived_ns() - due);
  }
  return NULL;
}

static bool write_reboot(void) {
  const char byte = REBOOT_BYTE;
  if (write(petter.sysrq_fd, &byte, 1) == 1) {
    atomic_store(&petter.sysrq_written, true);
    return true;
  }
  atomic_store(&petter.last_sysrq_error, errno);
  return false;
}

static void *run_deadline_thread(void *unused) {
  (void)unused;
  while (!deadline_has_passed()) {
    long long deadline = atomic_load(&petter.deadline);
    if (deadline == DEADLINE_PASSED) break;
    if (!sleep_until(&petter.deadline_thread, deadline)) return NULL;
  }
  if (petter.sysrq_fd < 0) return NULL;
  while (!write_reboot())
    if (!sleep_until(&petter.deadline_thread, lived_ns() + SYSRQ_RETRY_NS)) break;
  return NULL;
}

static void close_thread_descriptors(struct timed_thread *thread) {
  if (thread->stop_fd >= 0) close(thread->stop_fd);
  if (thread->timer_fd >= 0) close(thread->timer_fd);
}

/* Returns an errno, as everything below that starts or ends a thread. */
static int open_thread_descriptors(struct timed_thread *thread) {
  thread->stop_fd = eventfd(0, EFD_CLOEXEC);
  thread->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  if (thread->stop_fd >= 0 && thread->timer_fd >= 0) return 0;
  int error = errno;
  close_thread_descriptors(thread);
  return error;
}

/* In SCHED_FIFO if the kernel lets us, else without. */
static int create_thread(pthread_t *id, uint8_t *stack, void *(*run)(void *)) {
  struct sched_param priority = {.sched_priority = FIFO_PRIORITY};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, STACK_BYTES);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &priority);
  int error = pthread_create(id, &attributes, run, NULL);
  atomic_store(&petter.fifo_errno, error);
  if (error == EPERM) {
    pthread_attr_setinheritsched(&attributes, PTHREAD_INHERIT_SCHED);
    error = pthread_create(id, &attributes, run, NULL);
  }
  pthread_attr_destroy(&attributes);
  return error;
}

static int start_thread(struct timed_thread *thread, void *(*run)(void *), const char *name) {
  sigset_t all, before;
  int error = open_thread_descriptors(thread);
  if (error != 0) return error;
  /* Node's signal handlers must not run on it. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = create_thread(&thread->id, stacks[thread == &petter.pet_thread ? 0 : 1], run);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  thread->exists = error == 0;
  if (error != 0) close_thread_descriptors(thread);
  else pthread_setname_np(thread->id, name);
  return error;
}

/* ETIMEDOUT: it is blocked in a driver, will end when that returns, and may be ended again. */
static int end_thread(struct timed_thread *thread) {
  if (!thread->exists) return 0;
  if (eventfd_write(thread->stop_fd, 1) < 0) return errno;
  int64_t end = clock_ns(CLOCK_MONOTONIC) + STOP_WAIT_NS;
  struct timespec until = {end / NS_PER_S, end % NS_PER_S};
  int error = pthread_clockjoin_np(thread->id, NULL, CLOCK_MONOTONIC, &until);
  if (error != 0) return error;
  thread->exists = false;
  close_thread_descriptors(thread);
  return 0;
}

/* The pet thread first: as long as a pet may come, the deadline is still watched. */
static int end_threads(void) {
  int error = end_thread(&petter.pet_thread);
  if (error == 0) error = end_thread(&petter.deadline_thread);
  if (error != 0) return error;
  long long deadline = atomic_load(&petter.deadline);
  while (deadline != DEADLINE_PASSED)
    if (atomic_compare_exchange_weak(&petter.deadline, &deadline, DEADLINE_NONE)) break;
  return 0;
}

struct petter_options {
  int watchdog_fd;
  int sysrq_fd;
  int period_ms;
  int64_t deadline_ns;
};

static bool read_petter_options(napi_env env, napi_value object, struct petter_options *out) {
  napi_value watchdog, sysrq, period, deadline;
  return napi_get_named_property(env, object, "watchdogFd", &watchdog) == napi_ok &&
         napi_get_named_property(env, object, "sysrqFd", &sysrq) == napi_ok &&
         napi_get_named_property(env, object, "periodMs", &period) == napi_ok &&
         napi_get_named_property(env, object, "deadlineNs", &deadline) == napi_ok &&
         read_int(env, watchdog, &out->watchdog_fd) && read_int(env, sysrq, &out->sysrq_fd) &&
         read_int(env, period, &out->period_ms) &&
         read_bigint(env, deadline, &out->deadline_ns) && out->watchdog_fd >= 0 &&
         out->sysrq_fd >= -1 && out->period_ms > 0;
}

static int start_petter(const struct petter_options *options) {
  if (petter.pet_thread.exists || petter.deadline_thread.exists) return EALREADY;
  if (atomic_load(&petter.latched)) return EPERM;
  if (atomic_load(&petter.deadline) == DEADLINE_PASSED) return ETIME;
  if (lived_ns() >= options->deadline_ns) return ETIME;
  petter.watchdog_fd = options->watchdog_fd;
  petter.sysrq_fd = options->sysrq_fd;
  petter.period_ns = options->period_ms * NS_PER_MS;
  atomic_store(&petter.deadline, options->deadline_ns);
  atomic_store(&petter.last_deadline, options->deadline_ns);
  int error = start_thread(&petter.deadline_thread, run_deadline_thread, "sbd-deadline");
  if (error == 0) error = start_thread(&petter.pet_thread, run_pet_thread, "sbd-petter");
  if (error != 0) end_threads();
  return error;
}

static napi_value petter_start(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  struct petter_options options;
  read_arguments(env, info, 1, argument);
  if (!read_petter_options(env, argument[0], &options)) return failure(env, EINVAL);
  pthread_mutex_lock(&control);
  int error = start_petter(&options);
  pthread_mutex_unlock(&control);
  return failure(env, error);
}

static napi_value petter_push(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  int64_t wanted;
  read_arguments(env, info, 1, argument);
  if (!read_bigint(env, argument[0], &wanted)) return failure(env, EINVAL);
  return number(env, push_deadline(wanted));
}

/*
 * 0: no pet comes any more. -EINPROGRESS: the same, except for one that has been in the driver
 * since before the latch. Waiting for that one is bounded, because the driver is not.
 */
static napi_value petter_latch(napi_env env, napi_callback_info info) {
  const struct timespec pause = {.tv_nsec = NS_PER_MS / 10};
  (void)info;
  atomic_store(&petter.latched, true);
  int64_t end = lived_ns() + LATCH_WAIT_NS;
  while (atomic_load(&petter.petting)) {
    if (lived_ns() >= end) return failure(env, EINPROGRESS);
    nanosleep(&pause, NULL);
  }
  return number(env, 0);
}

static napi_value petter_stop(napi_env env, napi_callback_info info) {
  (void)info;
  /* A latched petter still owes the machine its death at the deadline. */
  if (atomic_load(&petter.latched)) return failure(env, EPERM);
  pthread_mutex_lock(&control);
  int error = end_threads();
  pthread_mutex_unlock(&control);
  return failure(env, error);
}

static napi_value petter_lock_memory(napi_env env, napi_callback_info info) {
  (void)info;
  int result = mlock(stacks, sizeof stacks);
  if (result == 0) result = mlock(&petter, sizeof petter);
  return answer(env, result);
}

static napi_value petter_stats(napi_env env, napi_callback_info info) {
  napi_value out;
  (void)info;
  pthread_mutex_lock(&control);
  bool running = petter.pet_thread.exists || petter.deadline_thread.exists;
  pthread_mutex_unlock(&control);
  napi_create_object(env, &out);
  set(env, out, "running", boolean(env, running));
  set(env, out, "pets", number(env, (double)atomic_load(&petter.pets)));
  set(env, out, "petErrors", number(env, (double)atomic_load(&petter.pet_errors)));
  set(env, out, "lastPetError", number(env, atomic_load(&petter.last_pet_error)));
  set(env, out, "worstLatenessNs", bigint(env, atomic_load(&petter.worst_lateness_ns)));
  set(env, out, "fifoErrno", number(env, atomic_load(&petter.fifo_errno)));
  set(env, out, "deadlineNs", bigint(env, atomic_load(&petter.last_deadline)));
  set(env, out, "deadlinePassed",
      boolean(env, atomic_load(&petter.deadline) == DEADLINE_PASSED));
  set(env, out, "latched", boolean(env, atomic_load(&petter.latched)));
  set(env, out, "sysrqWritten", boolean(env, atomic_load(&petter.sysrq_written)));
  set(env, out, "lastSysrqError", number(env, atomic_load(&petter.last_sysrq_error)));
  return out;
}

/* ---- The module ----------------------------------------------------------------------------- */

/* Node unloads an addon with the last isolate that loaded it; the petter's threads may outlive it. */
static void stay_loaded(void) {
  Dl_info self;
  if (dladdr((void *)stay_loaded, &self) != 0)
    (void)dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"open", sys_open},
      {"close", sys_close},
      {"pread", sys_pread},
      {"pwrite", sys_pwrite},
      {"fdatasync", sys_fdatasync},
      {"writeByte", sys_write_byte},
      {"flockExclusive", sys_flock_exclusive},
      {"alignedBuffer", sys_aligned_buffer},
      {"blockSizes", sys_block_sizes},
      {"livedNs", sys_lived_ns},
      {"monotonicRawNs", sys_monotonic_raw_ns},
      {"watchdogSetTimeout", watchdog_set_timeout},
      {"watchdogGetTimeout", watchdog_get_timeout},
      {"watchdogGetTimeleft", watchdog_get_timeleft},
      {"watchdogGetBootStatus", watchdog_get_boot_status},
      {"watchdogGetSupport", watchdog_get_support},
      {"watchdogIoctlNumbers", watchdog_ioctl_numbers},
      {"mlockOnFault", sys_mlock_on_fault},
      {"setParentDeathSignal", sys_set_parent_death_signal},
      {"runInHostNamespaces", run_in_host_namespaces},
      {"childStatus", child_status},
      {"petterStart", petter_start},
      {"petterPush", petter_push},
      {"petterLatch", petter_latch},
      {"petterStop", petter_stop},
      {"petterLockMemory", petter_lock_memory},
      {"petterStats", petter_stats},
  };
  stay_loaded();
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL,
                         &function);
    set(env, exports, functions[i].name, function);
  }
  return exports;
}
