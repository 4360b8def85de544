// Goal: a wall clock that a test can step while a program runs. Method: loaded before the C library
// (LD_PRELOAD), it adds to CLOCK_REALTIME the number of nanoseconds in the file that STEPPED_CLOCK
// names. A wait for a time of that clock ends as it would with the kernel's clock: a step back
// makes it longer. Other clocks are unchanged.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kSliceNs = 50'000'000;

const std::atomic<int64_t>* map_offset() {
  static const std::atomic<int64_t> none{0};
  const char* path = std::getenv("STEPPED_CLOCK");
  if (path == nullptr) return &none;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return &none;
  void* mapped = ::mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return mapped == MAP_FAILED ? &none : static_cast<const std::atomic<int64_t>*>(mapped);
}

int64_t offset_ns() {
  static const std::atomic<int64_t>* const offset = map_offset();
  return offset->load(std::memory_order_relaxed);
}

int kernel_time(clockid_t id, timespec* now) {
  return static_cast<int>(::syscall(SYS_clock_gettime, id, now));
}

int64_t in_ns(const timespec& time) { return int64_t{time.tv_sec} * kSecondNs + time.tv_nsec; }

timespec from_ns(int64_t ns) { return {.tv_sec = ns / kSecondNs, .tv_nsec = ns % kSecondNs}; }

timespec stepped_now() {
  timespec now{};
  kernel_time(CLOCK_REALTIME, &now);
  return from_ns(in_ns(now) + offset_ns());
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t id, timespec* now) noexcept {
  if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return kernel_time(id, now);
  *now = stepped_now();
  return 0;
}

int gettimeofday(timeval* now, void*) noexcept {
  const timespec stepped = stepped_now();
  *now = {.tv_sec = stepped.tv_sec, .tv_usec = stepped.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* now) noexcept {
  const time_t stepped = stepped_now().tv_sec;
  if (now != nullptr) *now = stepped;
  return stepped;
}

int timespec_get(timespec* now, int base) noexcept {
  if (base != TIME_UTC) return 0;
  *now = stepped_now();
  return base;
}

// In slices, so that a step takes effect while it waits. The end of a slice is a wake-up for
// nothing, which every caller has to expect; waiting on instead could miss a signal.
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  const int64_t rest_ns = in_ns(*until) - in_ns(stepped_now());
  if (rest_ns <= 0) return thrd_timedout;
  timespec now{};
  kernel_time(CLOCK_REALTIME, &now);
  const timespec slice = from_ns(in_ns(now) + std::min(rest_ns, kSliceNs));
  ::pthread_cond_timedwait(reinterpret_cast<pthread_cond_t*>(condition),
                           reinterpret_cast<pthread_mutex_t*>(mutex), &slice);
  return thrd_success;
}

}  // extern "C"
