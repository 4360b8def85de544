// Every source that this agent knows: those that a declared log names now (followed), and those
// that the checkpoint remembers. Answers to which source a file belongs: identity -> source ->
// generations.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/discovery/declared_log.h"
#include "agent/link/messages.h"
#include "checkpoint/file_identity.h"
#include "checkpoint/source_life.h"
#include "checkpoint/store.h"
#include "config/limits.h"
#include "config/path.h"

namespace longshore::agent {

/// A file that waits, and how it follows the generation before it, as far as could be told when it
/// was found.
struct UnopenedFile {
  checkpoint::FileIdentity file;
  Step step = Step::kAdjacent;
};

/// Thread: the watch loop.
struct KnownSource {
  bool is_followed() const { return spec != nullptr; }
  /// A file of it has been read, or is to be.
  bool has_generation() const { return newest != checkpoint::FileIdentity{}; }
  /// It was there before the present scan.
  bool was_read() const { return has_generation() && (is_remembered || was_scanned); }
  /// Its newest file was closed to make room, and is still as it was then.
  bool is_resting(const checkpoint::FileFacts& facts) const {
    return rested && facts.identity == newest && facts.size_bytes == rested->size_bytes &&
           facts.modified_ns == rested->modified_ns;
  }
  /// The name that its newest file has, or had.
  std::string file_name() const { return std::string(last_component(file_path)); }
  /// A symlink led to its newest file.
  bool is_linked() const { return file_path != host_path; }

  LaneId lane;
  std::string host_path;  ///< Its log's: that of a symlink, where one names it.
  std::string file_path;  ///< Where its newest file stood; the symlink's target.
  Stream stream = Stream::kFile;
  checkpoint::FileIdentity newest;
  std::vector<checkpoint::FileIdentity> generations;  ///< Oldest first.
  /// The files after `newest`, oldest first, that a transaction had read of which nobody knew
  /// whether Kafka took it when the agent started. Those that are opened are not among them.
  std::vector<checkpoint::FileIdentity> in_doubt;
  size_t generations_max = 2 * limits::kGenerationsKnown;  ///< Beyond it, forget some.

  std::shared_ptr<const SourceSpec> spec;  ///< Null: only remembered.
  bool is_remembered = false;              ///< The checkpoint knew it.
  bool was_scanned = false;                ///< A scan has found all that there was of it.
  bool is_watched = false;                 ///< A scan has found all that came before it.
  /// Those that name it, and what their users call it.
  std::map<DeclaredLog*, std::string> logs;
  std::shared_ptr<const DeclaredBy> by;  ///< The declaration under which it was last collected.
  checkpoint::SourceLife life = checkpoint::SourceLife::kRemembered;
  std::optional<checkpoint::FileFacts> rested;  ///< Its newest file when it was closed for room.
  /// The file after `newest`, for which there was no room when it was found.
  std::optional<UnopenedFile> unopened;
  int64_t touched_ns = 0;          ///< When it was opened or written to (monotonic).
  std::shared_ptr<Tenant> tenant;  ///< Whose limit it counts against while it is followed or rests.
  int64_t next_look_ns = 0;  ///< When to look for its file while nobody follows it (monotonic).
};

/// Thread: the watch loop.
class KnownSources {
 public:
  KnownSources(std::string host_id, uint32_t lanes) : host_id_(std::move(host_id)), lanes_(lanes) {}

  /// What the checkpoint knows: the confirmed states, and those of transactions in doubt. REQUIRES:
  /// called first.
  void remember(const std::vector<checkpoint::StoredSource>& stored,
                const std::vector<checkpoint::PreparedSource>& prepared = {});

  SourceId id_of(const std::string& host_path, Stream stream) const;
  bool contains(SourceId id) const { return sources_.contains(id); }
  /// nullptr: not known.
  KnownSource* find(SourceId id);
  const KnownSource* find(SourceId id) const;
  KnownSource& at(SourceId id) { return sources_.at(id); }
  /// The source whose newest file stood at `file_path`, if a symlink led there.
  std::optional<SourceId> behind_link(const std::string& file_path, Stream stream) const;
  /// The log of `id` is at `file_path` now.
  void place(SourceId id, const std::string& file_path);
  /// The source of the log `host_path`; knows it from now on.
  KnownSource& learn(SourceId id, const std::string& host_path, Stream stream);
  void forget(SourceId id);
  std::unordered_map<SourceId, KnownSource>& all() { return sources_; }
  const std::unordered_map<SourceId, KnownSource>& all() const { return sources_; }

  /// The source that `file` is a generation of.
  std::optional<SourceId> source_of(const checkpoint::FileIdentity& file, Stream stream) const;
  /// The source that has `file` in doubt. Whether it was read is its lane's to know: it is to be
  /// opened, but as a generation of no other source.
  std::optional<SourceId> doubter_of(const checkpoint::FileIdentity& file, Stream stream) const;
  /// Those whose log stands in the directory `host_path`.
  std::set<SourceId> in_directory(const std::string& host_path) const;

  /// `file` is the newest generation of `id`.
  void add_generation(SourceId id, const checkpoint::FileIdentity& file);
  /// `source` counts against the limits on known sources; not any more.
  void count(KnownSource& source, const std::shared_ptr<Tenant>& tenant);
  void uncount(KnownSource& source);
  size_t counted() const { return counted_; }

  /// Forgets the oldest generations that do not exist any more, down to as many as are known after
  /// a restart: a log that is rotated each minute for years must not take memory for each of its
  /// files.
  void forget_generations(KnownSource& source,
                          const std::function<bool(const checkpoint::FileIdentity&)>& exists);

 private:
  const std::string host_id_;
  const uint32_t lanes_;
  std::unordered_map<SourceId, KnownSource> sources_;
  size_t counted_ = 0;
  using ByIdentity = std::map<std::pair<checkpoint::FileIdentity, Stream>, SourceId>;
  ByIdentity by_identity_, in_doubt_;
  std::unordered_map<std::string, std::set<SourceId>> by_directory_;  // Its path on the host.
  std::map<std::pair<std::string, Stream>, SourceId> behind_links_;   // By the file's path.
};

}  // namespace longshore::agent
