#include "config/reload_signals.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cassert>

namespace longshore {
namespace {

sigset_t reload_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, each);
  return set;
}

const char* name_of(uint32_t number) {
  if (number == SIGHUP) return "SIGHUP";
  return number == SIGUSR1 ? "SIGUSR1" : "SIGUSR2";
}

void tell(const std::string& sentence) {
  // The log may have been closed already, shortly before the process ends.
  if (const auto log = spdlog::default_logger()) log->warn("{}", sentence);
}

}  // namespace

ReloadSignals::ReloadSignals(bool terminal) : terminal_(terminal) {
  const sigset_t signals = reload_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signals_ = Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  done_ = Fd(::eventfd(0, EFD_CLOEXEC));
  assert(signals_ && done_);
  // The thread must not be given signals that others wait for.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { take_all(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ReloadSignals::~ReloadSignals() {
  eventfd_write(done_.get(), 1);
  thread_.join();
}

bool ReloadSignals::on_terminal() {
  struct sigaction hangup {};
  const bool outlives = ::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler == SIG_IGN;
  return !outlives && ::isatty(STDERR_FILENO) == 1;
}

void ReloadSignals::take_all() {
  pollfd waits[] = {{signals_.get(), POLLIN, 0}, {done_.get(), POLLIN, 0}};
  for (;;) {
    ::poll(waits, 2, -1);
    signalfd_siginfo came{};
    while (::read(signals_.get(), &came, sizeof came) == sizeof came) {
      if (terminal_ && came.ssi_signo == SIGHUP) {
        tell("The terminal was closed (SIGHUP): stopping.");
        ::kill(::getpid(), SIGTERM);
        continue;
      }
      tell(std::string(name_of(came.ssi_signo)) +
           " is ignored: settings are read only at the start, and no log file is kept open. "
           "Restart to apply new settings.");
    }
    if ((waits[1].revents & POLLIN) != 0) return;
  }
}

}  // namespace longshore
