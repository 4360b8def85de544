#include "integrations/search/old_indices.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>

namespace longshore::search {
namespace {

constexpr int64_t kHoursApartMax = 24;
constexpr size_t kListBytesMax = 32 << 20;  // Of some 100,000 indices.

/// The names of real indices, open or closed: aliases are resolved, but names that are not the
/// pattern's are sorted out later.
std::vector<std::string> names_in(const std::string& body) {
  std::vector<std::string> names;
  const simdjson::padded_string padded(body);
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (parser.parse(padded).get(root)) return names;
  for (const auto& [name, settings] : root) names.emplace_back(name);
  return names;
}

}  // namespace

Status check_clock(const Clock& clock, SearchNode& node) {
  const Result<http::Answer> answer =
      node.ask_for("Asking for the time", "GET", "/_cat/health?h=epoch", {}, 4'096);
  if (!answer) return answer.error();
  const std::string& text = answer->body;
  int64_t theirs_s = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), theirs_s);
  if (fault != std::errc()) {
    return Error{ErrorCode::kInvalid,
                 "--keep: the service does not tell its time at /_cat/health?h=epoch."};
  }
  constexpr int64_t kSecondNs = 1'000'000'000;
  const int64_t ahead_h = (clock.wall_ns() / kSecondNs - theirs_s) / 3600;
  if (std::abs(ahead_h) < kHoursApartMax) return ok();
  return Error{
      ErrorCode::kInvalid,
      fmt::format("--keep: this host's clock is {} hours {} that of the search service, so "
                  "nothing is deleted: what is to be kept would go. Set the clock.",
                  std::abs(ahead_h), ahead_h > 0 ? "ahead of" : "behind")};
}

Day first_kept_day(int days, const Clock& clock) {
  return day_of_ms(clock.wall_ns() / 1'000'000) - std::chrono::days(days);
}

std::vector<std::string> old_among(const std::vector<std::string>& names, const KeepOptions& keep,
                                   std::string_view topic, Day first_kept) {
  const std::string unknown_age = keep.index.render(topic, Day());
  std::vector<std::string> old;
  for (const std::string& name : names) {
    const std::optional<Day> last = keep.index.last_day(topic, name);
    if (last && *last < first_kept && name != unknown_age) old.push_back(name);
  }
  return old;
}

Result<std::vector<std::string>> OldIndices::find() {
  if (Status right = check_clock(clock_, node_); !right) return right.error();
  const Day first = first_kept_day(keep_.days, clock_);
  std::vector<std::string> found;
  for (const std::string& topic : keep_.topics) {
    const std::string pattern = keep_.index.wildcard(topic);
    const Result<http::Answer> answer = node_.ask_for(
        "Listing the indices " + pattern, "GET",
        "/" + pattern + "/_settings/index.uuid?expand_wildcards=open,closed", {}, kListBytesMax);
    if (!answer) return answer.error();
    if (answer->status != 200) continue;
    for (std::string& name : old_among(names_in(answer->body), keep_, topic, first))
      found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Status OldIndices::remove(const std::string& name) {
  const Result<http::Answer> answer =
      node_.ask_for(fmt::format("Deleting index {}", name), "DELETE", "/" + http::escape_path(name),
                    {}, 256 << 10);
  return answer ? ok() : Status(answer.error());
}

}  // namespace longshore::search
