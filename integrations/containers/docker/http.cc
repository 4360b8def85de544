#include "integrations/containers/docker/http.h"

#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "config/limits.h"

namespace longshore::docker {

struct Http::Transfer {
  Id id = 0;
  CURL* easy = nullptr;
  HttpGet request;
  HttpAnswer answer;
  std::string unread;  // Of a stream: arrived, but not passed on yet.
  bool opened = false;
  bool opening_told = false;
  bool too_large = false;
  std::optional<CURLcode> ended;
  std::array<char, CURL_ERROR_SIZE> error{};
};

// Closed when curl no longer needs the socket; the loop frees it after that.
struct Http::Poll {
  uv_poll_t handle{};
  Http* http = nullptr;
  curl_socket_t socket = CURL_SOCKET_BAD;
};

Http::Http(uv_loop_t* loop, std::string socket_path)
    : loop_(loop),
      socket_path_(std::move(socket_path)),
      timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {
  make_multi();
}

Http::~Http() {
  *alive_ = false;
  for (auto& [id, transfer] : transfers_) release(*transfer);
  transfers_.clear();
  for (CURL* easy : spare_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

void Http::make_multi() {
  multi_ = curl_multi_init();
  assert(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Http::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Http::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, limits::kDockerConnectionsKept);
}

CURL* Http::take_easy() {
  if (spare_.empty()) {
    CURL* easy = curl_easy_init();
    assert(easy != nullptr);
    return easy;
  }
  CURL* easy = spare_.back();
  spare_.pop_back();
  return easy;
}

Http::Id Http::get(HttpGet request) {
  auto owned = std::make_unique<Transfer>();
  Transfer& transfer = *owned;
  transfer.id = ++last_id_;
  transfer.request = std::move(request);
  transfer.easy = take_easy();
  CURL* easy = transfer.easy;
  const std::string url = "http://docker" + transfer.request.target;
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str());
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "longshore/" LONGSHORE_VERSION);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer.request.timeout_ms);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error.data());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Http::on_head);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Http::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  transfers_.emplace(transfer.id, std::move(owned));
  [[maybe_unused]] const CURLMcode added = curl_multi_add_handle(multi_, easy);
  assert(added == CURLM_OK);
  return transfer.id;
}

void Http::release(Transfer& transfer) {
  if (transfer.easy == nullptr) return;
  curl_multi_remove_handle(multi_, transfer.easy);
  curl_easy_reset(transfer.easy);
  if (spare_.size() < size_t{limits::kDockerConnectionsKept}) {
    spare_.push_back(transfer.easy);
  } else {
    curl_easy_cleanup(transfer.easy);
  }
  transfer.easy = nullptr;
}

void Http::cancel(Id id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  release(*found->second);
  transfers_.erase(found);
}

void Http::cancel_all() {
  for (auto& [id, transfer] : transfers_) release(*transfer);
  transfers_.clear();
  for (CURL* easy : spare_) curl_easy_cleanup(easy);
  spare_.clear();
  curl_multi_cleanup(multi_);
  timer_.stop();
  make_multi();
}

size_t Http::on_head(char* data, size_t size, size_t count, void* transfer) {
  const size_t bytes = size * count;
  // The empty line ends the head.
  if (bytes <= 2 && (data[0] == '\r' || data[0] == '\n'))
    static_cast<Transfer*>(transfer)->opened = true;
  return bytes;
}

size_t Http::on_body(char* data, size_t size, size_t count, void* transfer) {
  auto* self = static_cast<Transfer*>(transfer);
  const size_t bytes = size * count;
  if (self->request.on_data) {
    self->unread.append(data, bytes);
    return bytes;
  }
  if (self->answer.body.size() + bytes > self->request.body_bytes_max) {
    self->too_large = true;
    return 0;
  }
  self->answer.body.append(data, bytes);
  return bytes;
}

int Http::on_socket(CURL*, curl_socket_t socket, int what, void* http, void* poll) {
  static_cast<Http*>(http)->watch(socket, what, static_cast<Poll*>(poll));
  return 0;
}

void Http::watch(curl_socket_t socket, int what, Poll* poll) {
  if (what == CURL_POLL_REMOVE) {
    if (poll == nullptr) return;
    curl_multi_assign(multi_, socket, nullptr);
    poll->http = nullptr;
    uv_poll_stop(&poll->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle),
             [](uv_handle_t* handle) { delete static_cast<Poll*>(uv_handle_get_data(handle)); });
    return;
  }
  if (poll == nullptr) {
    poll = new Poll;
    poll->http = this;
    poll->socket = socket;
    uv_poll_init(loop_, &poll->handle, socket);
    uv_handle_set_data(reinterpret_cast<uv_handle_t*>(&poll->handle), poll);
    curl_multi_assign(multi_, socket, poll);
  }
  const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                     ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  uv_poll_start(&poll->handle, events, [](uv_poll_t* handle, int status, int ready) {
    auto* self = static_cast<Poll*>(uv_handle_get_data(reinterpret_cast<uv_handle_t*>(handle)));
    if (self->http == nullptr) return;
    int mask = 0;
    if ((ready & UV_READABLE) != 0) mask |= CURL_CSELECT_IN;
    if ((ready & UV_WRITABLE) != 0) mask |= CURL_CSELECT_OUT;
    if (status < 0) mask = CURL_CSELECT_ERR;
    self->http->act(self->socket, mask);
  });
}

int Http::on_timer(CURLM*, long timeout_ms, void* http) {
  Timer& timer = static_cast<Http*>(http)->timer_;
  if (timeout_ms < 0) {
    timer.stop();
  } else {
    timer.start(static_cast<uint64_t>(timeout_ms));
  }
  return 0;
}

void Http::act(curl_socket_t socket, int what) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, what, &running);
  collect_finished();
  report();
}

void Http::collect_finished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* data = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
    auto* transfer = reinterpret_cast<Transfer*>(data);
    transfer->ended = message->data.result;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->answer.status);
    curl_header* header = nullptr;
    if (curl_easy_header(transfer->easy, "Api-Version", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
      transfer->answer.api_version = header->value;
    release(*transfer);
  }
}

// curl is not on the stack here, so callbacks may use it. They may also cancel any transfer.
void Http::report() {
  const std::shared_ptr<bool> alive = alive_;
  std::vector<Id> ready;
  for (const auto& [id, transfer] : transfers_) {
    if (transfer->ended || !transfer->unread.empty() || transfer->opened != transfer->opening_told)
      ready.push_back(id);
  }
  for (const Id id : ready) {
    if (transfers_.contains(id)) report_stream(id);
    if (!*alive) return;
    const auto found = transfers_.find(id);
    if (found == transfers_.end() || !found->second->ended) continue;
    const std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers_.erase(found);
    const std::string& target = transfer->request.target;
    const std::string what = "GET " + target.substr(0, target.find('?')) + ": ";
    if (transfer->too_large) {
      transfer->request.on_done(
          Error{ErrorCode::kFull, what + "the answer is larger than " +
                                      std::to_string(transfer->request.body_bytes_max) + " bytes"});
    } else if (*transfer->ended != CURLE_OK) {
      // curl would name a host and a port, and a socket has neither.
      const bool unconnected = *transfer->ended == CURLE_COULDNT_CONNECT;
      const std::string words = unconnected                  ? "no connection to " + socket_path_
                                : transfer->error[0] != '\0' ? transfer->error.data()
                                                             : curl_easy_strerror(*transfer->ended);
      transfer->request.on_done(Error{ErrorCode::kRetryable, what + words});
    } else {
      transfer->request.on_done(std::move(transfer->answer));
    }
    if (!*alive) return;
  }
}

void Http::report_stream(Id id) {
  const std::shared_ptr<bool> alive = alive_;
  Transfer& transfer = *transfers_.at(id);
  if (transfer.opened && !transfer.opening_told) {
    transfer.opening_told = true;
    long status = transfer.answer.status;
    if (!transfer.ended) curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (const auto on_open = transfer.request.on_open) {
      on_open(status);
      if (!*alive || !transfers_.contains(id)) return;
    }
  }
  if (transfer.unread.empty()) return;
  const std::string data = std::exchange(transfer.unread, {});
  const auto on_data = transfer.request.on_data;
  on_data(data);
}

}  // namespace longshore::docker
