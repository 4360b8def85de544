// For ThreadSanitizer builds only: implements C11's threads with POSIX threads. Debian's librdkafka
// starts its threads with thrd_create, which GCC 12's sanitizer does not know: it crashes in the
// first call that it intercepts on such a thread. Symbols of the program take precedence over those
// of the C library.

#include <pthread.h>
#include <threads.h>

#include <cstdint>
#include <memory>

namespace {

struct Start {
  thrd_start_t run;
  void* argument;
};

void* run_thread(void* started) {
  const std::unique_ptr<Start> start(static_cast<Start*>(started));
  const intptr_t result = start->run(start->argument);
  return reinterpret_cast<void*>(result);
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t run, void* argument) {
  auto start = std::make_unique<Start>(Start{run, argument});
  if (pthread_create(thread, nullptr, run_thread, start.get()) != 0) return thrd_error;
  start.release();  // The thread's own now.
  return thrd_success;
}

int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  if (pthread_join(thread, &returned) != 0) return thrd_error;
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(returned));
  return thrd_success;
}

int thrd_detach(thrd_t thread) { return pthread_detach(thread) == 0 ? thrd_success : thrd_error; }
}
