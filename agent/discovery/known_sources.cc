#include "agent/discovery/known_sources.h"

#include <algorithm>
#include <iterator>

namespace longshore::agent {
namespace {

Stream stream_of(const std::string& name) {
  if (name == "stdout") return Stream::kStdout;
  return name == "stderr" ? Stream::kStderr : Stream::kFile;
}

}  // namespace

void KnownSources::remember(const std::vector<checkpoint::StoredSource>& stored,
                            const std::vector<checkpoint::PreparedSource>& prepared) {
  for (const auto& [row, state] : stored) {
    KnownSource& source = sources_[row.id];
    source.lane = row.lane;
    source.host_path = row.host_path;
    source.stream = stream_of(row.stream);
    source.by = std::make_shared<const DeclaredBy>(
        DeclaredBy{row.name, row.container_id, row.container_name});
    source.life = checkpoint::life_of(row);
    source.is_remembered = true;
    source.newest = state.file;
    source.generations = state.closed;
    std::erase(source.generations, checkpoint::FileIdentity{});  // It was truncated.
    if (source.has_generation()) source.generations.push_back(state.file);
    for (const auto& file : source.generations) by_identity_[{file, source.stream}] = row.id;
    by_directory_[std::string(parent_path(row.host_path))].insert(row.id);
    source.file_path = row.host_path;
    if (!state.file_path.empty()) place(row.id, state.file_path);
  }
  for (const auto& [id, state] : prepared) {
    KnownSource* const source = find(id);
    // Where a source begins is stored before anything of it is prepared.
    if (source == nullptr || !source->has_generation()) continue;
    source->in_doubt = state.closed;
    source->in_doubt.push_back(state.file);
    // Copies of the newest file, made before that was truncated, are read before it.
    const auto newest = std::ranges::find(source->in_doubt, source->newest);
    const bool is_in_copy = newest == source->in_doubt.end();
    source->in_doubt.erase(source->in_doubt.begin(), is_in_copy ? newest : std::next(newest));
    std::erase_if(source->in_doubt, [&](const checkpoint::FileIdentity& file) {
      return file == checkpoint::FileIdentity{} || source_of(file, source->stream);
    });
    for (const auto& file : source->in_doubt) in_doubt_[{file, source->stream}] = id;
  }
}

SourceId KnownSources::id_of(const std::string& host_path, Stream stream) const {
  return make_source_id(host_id_, host_path, stream_name(stream));
}

KnownSource* KnownSources::find(SourceId id) {
  const auto found = sources_.find(id);
  return found == sources_.end() ? nullptr : &found->second;
}

const KnownSource* KnownSources::find(SourceId id) const {
  const auto found = sources_.find(id);
  return found == sources_.end() ? nullptr : &found->second;
}

KnownSource& KnownSources::learn(SourceId id, const std::string& host_path, Stream stream) {
  const auto [at, is_new] = sources_.try_emplace(id);
  KnownSource& source = at->second;
  if (!is_new) return source;
  source.host_path = source.file_path = host_path;
  source.stream = stream;
  source.lane = LaneId{static_cast<uint32_t>(id.value % lanes_)};
  by_directory_[std::string(parent_path(host_path))].insert(id);
  return source;
}

void KnownSources::forget(SourceId id) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  KnownSource& source = found->second;
  uncount(source);
  for (const auto& file : source.generations) by_identity_.erase({file, source.stream});
  for (const auto& file : source.in_doubt) in_doubt_.erase({file, source.stream});
  if (const auto in = by_directory_.find(std::string(parent_path(source.host_path)));
      in != by_directory_.end()) {
    in->second.erase(id);
    if (in->second.empty()) by_directory_.erase(in);
  }
  place(id, source.host_path);
  sources_.erase(found);
}

void KnownSources::place(SourceId id, const std::string& file_path) {
  KnownSource& source = sources_.at(id);
  if (source.file_path == file_path) return;
  const auto before = behind_links_.find({source.file_path, source.stream});
  if (before != behind_links_.end() && before->second == id) behind_links_.erase(before);
  source.file_path = file_path;
  if (source.is_linked()) behind_links_[{file_path, source.stream}] = id;
}

std::optional<SourceId> KnownSources::behind_link(const std::string& file_path,
                                                  Stream stream) const {
  const auto found = behind_links_.find({file_path, stream});
  return found == behind_links_.end() ? std::nullopt : std::optional(found->second);
}

void KnownSources::count(KnownSource& source, const std::shared_ptr<Tenant>& tenant) {
  if (source.tenant != nullptr) return;
  source.tenant = tenant;
  ++tenant->sources;
  ++counted_;
}

void KnownSources::uncount(KnownSource& source) {
  if (source.tenant == nullptr) return;
  --source.tenant->sources;
  --counted_;
  source.tenant = nullptr;
}

std::optional<SourceId> KnownSources::source_of(const checkpoint::FileIdentity& file,
                                                Stream stream) const {
  const auto found = by_identity_.find({file, stream});
  return found == by_identity_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<SourceId> KnownSources::doubter_of(const checkpoint::FileIdentity& file,
                                                 Stream stream) const {
  const auto found = in_doubt_.find({file, stream});
  return found == in_doubt_.end() ? std::nullopt : std::optional(found->second);
}

std::set<SourceId> KnownSources::in_directory(const std::string& host_path) const {
  const auto found = by_directory_.find(host_path);
  return found == by_directory_.end() ? std::set<SourceId>() : found->second;
}

void KnownSources::add_generation(SourceId id, const checkpoint::FileIdentity& file) {
  KnownSource& source = sources_.at(id);
  source.newest = file;
  if (by_identity_.emplace(std::pair(file, source.stream), id).second) {
    source.generations.push_back(file);
  }
  if (in_doubt_.erase({file, source.stream}) > 0) std::erase(source.in_doubt, file);
}

void KnownSources::forget_generations(
    KnownSource& source, const std::function<bool(const checkpoint::FileIdentity&)>& exists) {
  auto& all = source.generations;
  size_t excess = all.size() - std::min(all.size(), limits::kGenerationsKnown);
  std::erase_if(all, [&](const checkpoint::FileIdentity& file) {
    if (excess == 0 || file == source.newest || exists(file)) return false;
    --excess;
    by_identity_.erase({file, source.stream});
    return true;
  });
  source.generations_max = 2 * std::max(all.size(), limits::kGenerationsKnown);
}

}  // namespace longshore::agent
