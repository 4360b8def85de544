// A libuv timer that may be destroyed at any moment, even by its own callback.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <utility>

namespace longshore::docker {

/// Thread: the loop's. Destroying it closes the handle; the loop frees the handle in its next turn.
class Timer {
 public:
  Timer(uv_loop_t* loop, std::function<void()> fire)
      : shared_(new Shared{{}, std::move(fire), false}) {
    uv_timer_init(loop, &shared_->handle);
    uv_handle_set_data(reinterpret_cast<uv_handle_t*>(&shared_->handle), shared_);
  }
  ~Timer() {
    shared_->closed = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&shared_->handle),
             [](uv_handle_t* handle) { delete static_cast<Shared*>(uv_handle_get_data(handle)); });
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Fires after `wait_ms`, then every `repeat_ms` unless that is 0. Replaces the previous setting.
  void start(uint64_t wait_ms, uint64_t repeat_ms = 0) {
    uv_timer_start(
        &shared_->handle,
        [](uv_timer_t* handle) {
          auto* shared =
              static_cast<Shared*>(uv_handle_get_data(reinterpret_cast<uv_handle_t*>(handle)));
          if (!shared->closed) shared->fire();
        },
        wait_ms, repeat_ms);
  }
  void stop() { uv_timer_stop(&shared_->handle); }
  bool is_active() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&shared_->handle)) != 0;
  }

 private:
  // Outlives the timer until the loop has closed the handle. So does the function, which may be the
  // very one that destroys the timer.
  struct Shared {
    uv_timer_t handle;
    std::function<void()> fire;
    bool closed;
  };
  Shared* shared_;
};

}  // namespace longshore::docker
