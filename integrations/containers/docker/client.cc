#include "integrations/containers/docker/client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "config/backoff.h"
#include "config/clock.h"
#include "config/limits.h"
#include "integrations/containers/docker/answers.h"
#include "integrations/containers/docker/events.h"
#include "integrations/containers/docker/http.h"
#include "integrations/containers/docker/roster.h"
#include "integrations/containers/docker/socket_trouble.h"

namespace longshore::docker {
namespace {

constexpr long kStatusOk = 200;
constexpr long kStatusNotFound = 404;
constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kReasonNs = 3 * kNanosPerSecond;  // Between two reasons of one outage.

std::string nine_digits(int64_t value) {
  const std::string digits = std::to_string(value);
  return std::string(9 - std::min<size_t>(digits.size(), 9), '0') + digits;
}

// `filters` is {"type":["container"]}. A repeated event does no harm but a missing one does, so the
// last event is requested again.
std::string events_target(int64_t since_nano) {
  std::string target = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
  if (since_nano > 0)
    target += "&since=" + std::to_string(since_nano / kNanosPerSecond) + "." +
              nine_digits(since_nano % kNanosPerSecond);
  return target;
}

// A complete answer with another status than 200 is an error too.
Result<HttpAnswer> expect_ok(Result<HttpAnswer> answer, const std::string& what) {
  if (!answer || answer->status == kStatusOk) return answer;
  return Error{ErrorCode::kRetryable, what + ": status " + std::to_string(answer->status)};
}

constexpr char kRights[] =
    ". A proxy in front of Docker must allow GET of /_ping, /info, /events, /containers/json and "
    "/containers/<id>/json";

}  // namespace

// One connection after another: ping, then the event stream and info, then the list, then events
// and inspects until the connection is lost.
class Client::State {
 public:
  State(uv_loop_t* loop, const std::string& socket_path, Listener& listener,
        const Patience& patience, std::string& docker_root)
      : socket_path_(socket_path),
        listener_(listener),
        patience_(patience),
        docker_root_(docker_root),
        roster_(listener),
        http_(loop, socket_path_),
        connect_timer_(loop, [this] { connect(); }),
        open_timer_(loop, [this] { on_stream_open(); }),
        silence_timer_(loop, [this] { probe(); }),
        retry_timer_(loop, [this] { roster_.retry_failed(), inspect(); }),
        backoff_(patience.back_off_ms_min, patience.back_off_ms_max) {}

  // No call of the listener comes out of Client::start().
  void begin() { connect_timer_.start(0); }

 private:
  void connect();
  std::string versioned(const std::string& target) const { return "/v" + version_ + target; }
  void request(std::string target, size_t bytes_max,
               std::function<void(Result<HttpAnswer>)> on_done);
  void on_ping(Result<HttpAnswer> answer);
  void follow_events();
  void on_stream_data(std::string_view data);
  void on_event(std::string_view json);
  void ignore_event(const std::string& why);
  void on_stream_open();
  void on_info(Result<HttpAnswer> answer);
  void ask_for_list();
  void on_list(Result<HttpAnswer> answer);
  void inspect();
  void on_inspect(const std::string& id, Result<HttpAnswer> answer);
  void probe();
  void no_answer(const std::string& error);
  void lost(const std::string& reason);
  bool worth_reporting(const std::string& reason);

  const std::string socket_path_;
  Listener& listener_;
  const Patience patience_;
  std::string& docker_root_;
  Roster roster_;
  EventSplitter splitter_;
  Http http_;
  Timer connect_timer_, open_timer_, silence_timer_, retry_timer_;

  std::string version_;
  int64_t last_event_nano_ = 0;
  Backoff backoff_;        // Milliseconds.
  std::string reported_;   // The reason of the present outage that was last reported.
  int64_t outage_ns_ = 0;  // When it began.
  std::minstd_rand random_{std::random_device()()};

  // Of the current connection.
  bool stream_open_ = false;
  bool info_known_ = false;
  bool list_asked_ = false;
  bool probing_ = false;
  bool trouble_reported_ = false;
  size_t inspects_ = 0;
};

void Client::State::request(std::string target, size_t bytes_max,
                            std::function<void(Result<HttpAnswer>)> on_done) {
  HttpGet get;
  get.target = std::move(target);
  get.timeout_ms = static_cast<long>(patience_.request_ms);
  get.body_bytes_max = bytes_max;
  get.on_done = std::move(on_done);
  http_.get(std::move(get));
}

void Client::State::connect() {
  request("/_ping", limits::kDockerPingBytesMax,
          [this](auto answer) { on_ping(std::move(answer)); });
}

void Client::State::on_ping(Result<HttpAnswer> answer) {
  answer = expect_ok(std::move(answer), "GET /_ping");
  if (!answer) return no_answer(answer.error().message);
  const Result<std::string> version = choose_api_version(answer->api_version);
  if (!version) return lost(version.error().message);
  version_ = version.value();
  follow_events();
  request(versioned("/info"), limits::kDockerInspectBytesMax,
          [this](auto info) { on_info(std::move(info)); });
}

void Client::State::follow_events() {
  HttpGet get;
  get.target = versioned(events_target(last_event_nano_));
  get.on_open = [this](long status) {
    if (status == kStatusOk) return on_stream_open();
    lost("Docker at " + socket_path_ + " refuses to report events: GET /events: status " +
         std::to_string(status) + kRights + '.');
  };
  get.on_data = [this](std::string_view data) { on_stream_data(data); };
  get.on_done = [this](const Result<HttpAnswer>& answer) {
    lost("The connection to Docker at " + socket_path_ + " is lost: " +
         (answer ? std::string("GET /events: the stream ended") : answer.error().message) + '.');
  };
  http_.get(std::move(get));
  open_timer_.start(patience_.open_ms);
  silence_timer_.start(patience_.silence_ms, patience_.silence_ms);
}

void Client::State::on_stream_open() {
  open_timer_.stop();
  stream_open_ = true;
  ask_for_list();
}

void Client::State::on_stream_data(std::string_view data) {
  silence_timer_.start(patience_.silence_ms, patience_.silence_ms);
  if (!stream_open_) on_stream_open();
  const size_t skipped = splitter_.feed(data, [this](std::string_view json) { on_event(json); });
  if (skipped > 0) ignore_event("Docker sent an event larger than 1 MiB");
  inspect();
}

void Client::State::on_event(std::string_view json) {
  const Result<Event> event = parse_event(json);
  if (!event) return ignore_event(event.error().message);
  last_event_nano_ = std::max(last_event_nano_, event->time_nano);
  if (!roster_.on_event(event.value()))
    ignore_event("Docker reports more than " + std::to_string(limits::kContainersMax) +
                 " containers");
}

// Once per connection, so that a broken daemon cannot fill our log.
void Client::State::ignore_event(const std::string& why) {
  if (!std::exchange(trouble_reported_, true))
    spdlog::error("{}; ignoring it and similar ones until the next connection", why);
}

// The client continues without this answer too; then the previous root is the best guess.
void Client::State::on_info(Result<HttpAnswer> answer) {
  answer = expect_ok(std::move(answer), "GET /info");
  const Result<std::string> root =
      answer ? parse_docker_root(answer->body) : Result<std::string>(answer.error());
  if (root) {
    docker_root_ = root.value();
  } else {
    spdlog::warn("could not read Docker's root directory: {}", root.error().message);
  }
  info_known_ = true;
  ask_for_list();
  inspect();
}

// The event stream is opened first, so that no container is missed between the list and the events.
void Client::State::ask_for_list() {
  if (!stream_open_ || !info_known_ || std::exchange(list_asked_, true)) return;
  roster_.expect_list();
  request(versioned("/containers/json?all=1"), limits::kDockerListBytesMax,
          [this](auto answer) { on_list(std::move(answer)); });
}

void Client::State::on_list(Result<HttpAnswer> answer) {
  answer = expect_ok(std::move(answer), "GET /containers/json");
  if (!answer) return no_answer(answer.error().message);
  const Result<std::vector<Listed>> listed = parse_list(answer->body);
  if (!listed) return lost(listed.error().message);
  backoff_.reset();
  reported_.clear();
  const size_t ignored = roster_.on_list(listed.value());
  if (ignored > 0)
    spdlog::error("Docker lists more than {} containers; ignoring {} of them",
                  limits::kContainersMax, ignored);
  inspect();
}

void Client::State::inspect() {
  if (!info_known_) return;
  while (inspects_ < limits::kInspectsMax) {
    const std::optional<std::string> id = roster_.next_inspect();
    if (!id) return;
    ++inspects_;
    request(versioned("/containers/" + *id + "/json"), limits::kDockerInspectBytesMax,
            [this, id = *id](auto answer) { on_inspect(id, std::move(answer)); });
  }
}

// A failed inspect of one container does not mean that the connection is broken.
void Client::State::on_inspect(const std::string& id, Result<HttpAnswer> answer) {
  --inspects_;
  const bool no_answer = !answer && answer.error().code == ErrorCode::kRetryable;
  if (answer && answer->status == kStatusNotFound) {
    roster_.on_missing(id);
    return inspect();
  }
  answer = expect_ok(std::move(answer), "GET /containers/" + id + "/json");
  Result<Container> container =
      answer ? parse_inspect(answer->body) : Result<Container>(answer.error());
  if (container && container->id != id)
    container = Error{ErrorCode::kCorrupt, "Docker answered with another container than " + id};
  if (container) {
    roster_.on_inspected(std::move(*container));
  } else {
    const bool worth_it = container.error().code == ErrorCode::kRetryable;
    const bool retried = roster_.on_failed(id, worth_it);
    if (!retried)
      spdlog::error("could not inspect container {}, ignoring it until its next event: {}", id,
                    container.error().message);
    if (retried && !retry_timer_.is_active()) retry_timer_.start(patience_.retry_ms);
  }
  if (no_answer) probe();
  inspect();
}

void Client::State::probe() {
  if (std::exchange(probing_, true)) return;
  request("/_ping", limits::kDockerPingBytesMax, [this](auto answer) {
    probing_ = false;
    answer = expect_ok(std::move(answer), "GET /_ping");
    if (!answer) no_answer(answer.error().message);
  });
}

void Client::State::no_answer(const std::string& error) {
  const std::string trouble = socket_trouble(socket_path_);
  lost(trouble.empty() ? "Docker at " + socket_path_ + " does not answer as Docker does: " + error +
                             kRights + '.'
                       : trouble);
}

// The first reason of an outage is reported; later another one, if the outage lasts: Docker's
// socket may appear at last, and be forbidden.
bool Client::State::worth_reporting(const std::string& reason) {
  const int64_t now = SystemClock().monotonic_ns();
  if (reported_.empty()) {
    outage_ns_ = now;
    return true;
  }
  if (reason == reported_ || now - outage_ns_ < kReasonNs) return false;
  outage_ns_ = now;
  return true;
}

void Client::State::lost(const std::string& reason) {
  http_.cancel_all();
  open_timer_.stop();
  silence_timer_.stop();
  retry_timer_.stop();
  splitter_.reset();
  stream_open_ = info_known_ = list_asked_ = probing_ = trouble_reported_ = false;
  inspects_ = 0;
  roster_.on_disconnected();
  connect_timer_.start(static_cast<uint64_t>(backoff_.next_spread(random_())));
  if (!worth_reporting(reason)) return;
  reported_ = reason;
  listener_.on_disconnected(reason);
}

Client::Client(uv_loop_s* loop, std::string socket_path, Listener& listener, Patience patience)
    : loop_(loop), socket_path_(std::move(socket_path)), listener_(listener), patience_(patience) {}

Client::~Client() = default;

void Client::start() {
  if (state_ != nullptr) return;
  state_ = std::make_unique<State>(loop_, socket_path_, listener_, patience_, docker_root_);
  state_->begin();
}

void Client::stop() { state_.reset(); }

}  // namespace longshore::docker
