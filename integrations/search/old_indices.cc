#include "integrations/search/old_indices.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

namespace longshore::search {
namespace {

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
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

Status OldIndices::remove(const std::string& name) {
  const Result<http::Answer> answer =
      node_.ask_for(fmt::format("Deleting index {}", name), "DELETE", "/" + http::escape_path(name),
                    {}, 256 << 10);
  return answer ? ok() : Status(answer.error());
}

}  // namespace longshore::search
