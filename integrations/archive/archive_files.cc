#include "integrations/archive/archive_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

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
    if (query_.topic && known.topic && *known.topic != *query_.topic) return false;
    if (query_.from && known.latest() < *query_.from) return false;
    return !query_.to || known.earliest() <= *query_.to;
  }

  void add(const Entry& entry, const std::string& path, const Layout::Known& known) {
    const auto name = parse_archive_name(entry.name);
    if (!name || entry.folder || (query_.topic && name->topic != *query_.topic)) return;
    files.push_back({*name, path, known.earliest(), entry.bytes});
  }

  ArchiveTarget& target_;
  const Layout& layout_;
  const FileQuery& query_;
};

auto chain_of(const ArchivedFile& file) { return std::tie(file.name.topic, file.name.partition); }

bool by_offset(const ArchivedFile& a, const ArchivedFile& b) {
  return std::tie(a.name.topic, a.name.partition, a.name.first, a.name.last) <
         std::tie(b.name.topic, b.name.partition, b.name.first, b.name.last);
}

}  // namespace

Result<std::vector<ArchivedFile>> find_files(ArchiveTarget& target, const Layout& layout,
                                             const FileQuery& query) {
  Walk walk(target, layout, query);
  if (Status status = walk.enter("", 0, {}); !status) return status.error();
  return std::move(walk.files);
}

void sort_for_reading(std::vector<ArchivedFile>& files) {
  std::sort(files.begin(), files.end(), by_offset);
  // If clocks differ, a file may belong to an earlier hour than the file before it.
  std::vector<std::pair<Hour, size_t>> order;
  for (size_t i = 0; i < files.size(); ++i) {
    const bool follows = i > 0 && chain_of(files[i]) == chain_of(files[i - 1]);
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
    faults.push_back(name.first > before.last
                         ? fmt::format("{}[{}]: no file of the archive holds offsets [{}, {}).",
                                       name.topic, name.partition, before.last + 1, name.first)
                         : fmt::format("{}[{}]: {} and {} hold the same offsets.", name.topic,
                                       name.partition, to_string(before), to_string(name)));
  }
  return faults;
}

}  // namespace longshore::archive
