#include "integrations/archive/archive_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "config/limits.h"
#include "config/time_text.h"
#include "integrations/archive/chain.h"

namespace longshore::archive {

namespace {

/// One search.
class Walk {
 public:
  Walk(ArchiveTarget& target, const Layout& layout, const FileQuery& query)
      : target_(target), layout_(layout), query_(query) {}

  Status enter(const std::string& folder, size_t depth, const Layout::Known& known) {
    Result<std::vector<Entry>> entries = target_.list(folder);
    // Someone removed it meanwhile; longshore itself never removes a folder.
    if (!entries && entries.error().code == ErrorCode::kNotFound) return ok();
    if (!entries) return entries.error();
    for (const Entry& entry : *entries) {
      const std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (depth == layout_.depth()) {
        add(entry, path, known);
        continue;
      }
      if (!entry.folder) continue;
      const auto more = layout_.match(depth, entry.name, known);
      if (!more || !wanted(*more)) continue;
      if (Status status = enter(path, depth + 1, *more); !status) return status;
    }
    return ok();
  }

  std::vector<ArchivedFile> files;

 private:
  bool wanted(const Layout::Known& known) const {
    if (query_.topic && known.topic && *known.topic != shown_topic(*query_.topic)) return false;
    if (query_.from && known.latest() < *query_.from) return false;
    return !query_.to || known.earliest() <= *query_.to;
  }

  void add(const Entry& entry, const std::string& path, const Layout::Known& known) {
    auto name = parse_archive_name(entry.name);
    if (!name || entry.folder) return;
    if (query_.topic && name->topic != shown_topic(*query_.topic)) return;
    if (query_.topic) name->topic = *query_.topic;
    files.push_back({*name, path, known.earliest(), entry.bytes});
  }

  ArchiveTarget& target_;
  const Layout& layout_;
  const FileQuery& query_;
};

auto chain_of(const ArchivedFile& file) {
  return std::tie(file.name.topic, file.name.partition, file.name.generation);
}

bool by_offset(const ArchivedFile& a, const ArchivedFile& b) {
  const auto key = [](const ArchiveName& name) {
    return std::tie(name.topic, name.partition, name.generation, name.first, name.last);
  };
  return key(a.name) < key(b.name);
}

}  // namespace

Result<std::vector<ArchivedFile>> find_files(ArchiveTarget& target, const Layout& layout,
                                             const FileQuery& query) {
  Walk walk(target, layout, query);
  if (Status status = walk.enter("", 0, {}); !status) return status.error();
  return std::move(walk.files);
}

Result<std::vector<std::string>> find_topics(ArchiveTarget& target) {
  Result<std::vector<Entry>> root = target.list("");
  if (!root) return root.error();
  Result<std::vector<Entry>> entries = target.list(kOwnFolder);
  if (!entries && entries.error().code != ErrorCode::kNotFound) return entries.error();
  std::set<std::string> topics;
  if (entries) {
    for (const Entry& entry : *entries) topics.insert(entry.name.substr(0, entry.name.find('+')));
  }
  return std::vector<std::string>(topics.begin(), topics.end());
}

Error why_no_files(ArchiveTarget& target, const Layout& layout, const FileQuery& query,
                   const std::string& url) {
  const Result<std::vector<std::string>> topics = find_topics(target);
  if (!topics && topics.error().code == ErrorCode::kNotFound)
    return invalid(fmt::format("{}: there is no such folder; check the address.", url));
  if (!topics) return topics.error();
  const Result<std::vector<ArchivedFile>> files =
      find_files(target, layout, {.topic = query.topic});
  if (!files) return files.error();
  const std::string topic = query.topic.value_or("");
  if (!files->empty()) {
    const auto [first, last] = std::minmax_element(
        files->begin(), files->end(),
        [](const ArchivedFile& a, const ArchivedFile& b) { return a.hour < b.hour; });
    const auto text = [](Hour hour) { return utc_text_of_seconds(hour.number * 3600); };
    return {ErrorCode::kNotFound,
            fmt::format("The archive holds no file of topic {} for these hours: its files are of "
                        "the hours {} to {}.",
                        topic, text(first->hour), text(last->hour))};
  }
  if (std::ranges::find(*topics, shown_topic(topic)) != topics->end()) {
    return invalid(fmt::format("No folder below {} with files of topic {} fits --layout; check it.",
                               url, topic));
  }
  return invalid(fmt::format(
      "{} holds no file of topic {}: {}.", url, topic,
      topics->empty() ? "it is no archive of longshore, or empty; check the address"
                      : fmt::format("check --topic; it has {}", fmt::join(*topics, ", "))));
}

void sort_for_reading(std::vector<ArchivedFile>& files) {
  std::sort(files.begin(), files.end(), by_offset);
  // If clocks differ, a file may belong to an earlier hour than the file before it.
  std::vector<std::pair<Hour, size_t>> order;
  for (size_t i = 0; i < files.size(); ++i) {
    // A later generation of a partition comes after the earlier ones too.
    const bool follows = i > 0 && files[i].name.topic == files[i - 1].name.topic &&
                         files[i].name.partition == files[i - 1].name.partition;
    order.emplace_back(follows ? std::max(files[i].hour, order.back().first) : files[i].hour, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<ArchivedFile> sorted;
  for (const auto& [hour, i] : order) sorted.push_back(std::move(files[i]));
  files = std::move(sorted);
}

std::vector<std::string> find_tiling_faults(const std::vector<ArchivedFile>& files) {
  std::vector<ArchivedFile> sorted = files;
  std::sort(sorted.begin(), sorted.end(), by_offset);
  std::vector<std::string> faults;
  for (size_t i = 1; i < sorted.size(); ++i) {
    const ArchiveName& before = sorted[i - 1].name;
    const ArchiveName& name = sorted[i].name;
    if (chain_of(sorted[i]) != chain_of(sorted[i - 1]) || name.first == before.last + 1) continue;
    const std::string chain =
        fmt::format("{}[{}]", name.topic, shown_partition(name.partition, name.generation));
    faults.push_back(name.first > before.last
                         ? fmt::format("{}: no file of the archive holds offsets [{}, {}).", chain,
                                       before.last + 1, name.first)
                         : fmt::format("{}: {} and {} hold the same offsets.", chain,
                                       to_string(before), to_string(name)));
  }
  return faults;
}

}  // namespace longshore::archive
