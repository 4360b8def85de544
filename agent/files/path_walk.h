// Walks a container's file system as the container sees it: overlay layers merged, mounts on top,
// symlinks resolved inside. Each step is one component in host directories that are held open.
//
//   virtual directory (Place) --look_up(name)--> Entry: directory, symlink, file, other, nothing
//                                                              |
//              follow(): the target is walked from the container's root or the link's Place
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/files/container_fs.h"
#include "agent/files/container_process.h"
#include "agent/files/host_dir.h"
#include "config/directory.h"
#include "config/limits.h"

namespace longshore::agent {

/// A directory as the container sees it, after all symlinks, and the host directories merged there.
struct Place {
  std::string path;                     ///< Virtual: "/" or without a trailing slash.
  std::shared_ptr<const Place> parent;  ///< None at the root.
  std::optional<HostDir> upper;         ///< The layer that is written to, if it is there.
  std::vector<HostDir> lowers;          ///< Of the image, nearest first.
  std::optional<HostDir> watch;         ///< `upper`, or that of the nearest ancestor with one.
  const FsMount* mount = nullptr;       ///< The one that it lies on; null: the layers.
  bool is_overlay = false;
  uint32_t owner = 0;
};
using PlacePtr = std::shared_ptr<const Place>;

/// What one name leads to.
struct Entry {
  enum class Kind : uint8_t { kNothing, kDirectory, kSymlink, kFile, kOther };

  Kind kind = Kind::kNothing;
  std::string path;  ///< Virtual, canonical.
  PlacePtr place;    ///< kDirectory: itself.
  OpenedName opened;
  HostDir holder;            ///< The host directory that holds `name`.
  std::string name;          ///< On the host.
  bool is_collected = true;  ///< false: in an image layer only.
  uint64_t image_bytes = 0;
  const FsMount* mount = nullptr;  ///< As in Place.
  bool left_mount = false;         ///< By follow(): the way to the target left the link's mount.

  uint32_t owner() const { return place ? place->owner : opened.facts.owner; }
};

/// Receives what a walk notices on its way. The scan implements it.
class WalkNotes {
 public:
  virtual ~WalkNotes() = default;
  virtual void problem(std::string sentence) = 0;
  /// A layer or a mount's source does not exist. That is no problem while the container is being
  /// removed.
  virtual void missing(std::string sentence) = 0;
  /// The result may change without an event.
  virtual void passing() = 0;
  /// A change in `place` may change the result. false: it cannot be watched.
  virtual bool watch(const Place& place) = 0;
};

/// A name made fit for a message: no control characters, not too long.
std::string printable(const std::string& text);

/// Thread: the watch loop. Lives for one scan.
class PathWalk {
 public:
  PathWalk(const FsSpec& spec, const std::string& host_root, const HostMounts& mounts,
           WalkNotes& notes);

  /// Opens the layers and finds where the mounts are; begins with a whole budget. nullptr: the
  /// host's root cannot be opened.
  PlacePtr start();

  /// Why files outside of mounts cannot be seen; empty if they can.
  const std::string& rootless_reason() const { return rootless_reason_; }

  /// One component; a symlink is not followed.
  Entry look_up(const PlacePtr& place, const std::string& name);

  /// What the symlink `link`, which stands in `place`, leads to, with the protected-symlinks rule
  /// applied to each link on the way. Takes from `links_left`.
  Entry follow(const PlacePtr& place, const Entry& link, size_t& links_left);

  /// A name in a directory. `is_file`: readdir reports a regular file, so it is no directory and no
  /// symlink.
  struct Name {
    std::string name;
    bool is_file = false;
  };
  /// The names that look_up may find in a place, each once, in no order, little by little.
  class Listing {
   public:
    explicit Listing(PlacePtr place) : place_(std::move(place)) {}
    bool is_done() const { return layer_ > place_->lowers.size(); }

   private:
    friend class PathWalk;
    PlacePtr place_;
    size_t layer_ = 0;  // 0: the upper one.
    std::unique_ptr<DirectoryNames> open_;
    bool mounts_listed_ = false;
    std::set<std::string, std::less<>> mounts_;  // Names that lead to a mount.
  };
  /// Adds at least one name to `names` and about `names_max`, unless the listing is done.
  void list_on(Listing& listing, size_t names_max, std::vector<Name>& names);

  /// Before each name that a listing of `place` gave: what it costs to look it up was paid when it
  /// was listed, so that only symlinks without end use up the budget of steps.
  void begin_name(const Place& place);

  /// The name of what stands at `path` in the container as no other container has it. Empty: the
  /// layers are not known.
  std::string private_path(const std::string& path) const;

  /// The scan has used up its budget: nothing more is found.
  bool is_exhausted() const { return is_exhausted_; }
  /// Names listed and components opened so far.
  size_t steps() const { return steps_; }

 private:
  struct Source {
    HostDir parent;
    std::string name;  // Empty: the root of the tree.
    OpenedName opened;
  };

  void open_layers();
  void place_mounts();
  std::string canonical_destination(const std::string& destination);
  Result<Source> open_source(const std::string& path);
  Result<HostDir> open_directory(const std::string& path);
  Entry enter_mount(const PlacePtr& place, const std::string& path, const FsMount& mount);
  std::optional<HostDir> kept_mount(const std::string& path,
                                    const checkpoint::FileIdentity& source);
  Entry enter_live_mount(const PlacePtr& place, const std::string& path, const FsMount& mount);
  Entry look_up_there(const PlacePtr& place, const std::string& path, const std::string& name);
  Entry merge(const PlacePtr& place, const std::string& path, const std::string& name);
  bool take_layer(Entry& entry, Place& child, const HostDir& layer, bool is_upper,
                  OpenedName opened);
  bool take_directory(Place& child, const HostDir& layer, bool is_upper, const std::string& name,
                      OpenedName opened);
  void subtract_image(Entry& entry, const OpenedName& lower);
  bool is_of_image(const Entry& entry, const OpenedName& lower);
  void refuse_metacopy(Entry& entry);
  Entry resolve(PlacePtr from, const std::string& target, size_t& links_left);
  bool has_mount_below(const std::string& path) const;
  bool open_layer(Listing& listing);
  bool is_in_higher_layer(const Listing& listing, const std::string& name);
  bool spend(size_t steps);
  bool spend_name();
  void exhaust(size_t limit);
  void problem(std::string sentence);
  void cannot_enter(const std::string& what, const Error& error);
  void watch(const Place& place);
  void report(const Error& error);

  const FsSpec& spec_;
  const std::string& host_root_;
  const HostMounts& mounts_;
  WalkNotes& notes_;
  const bool trusts_marks_;
  size_t steps_left_ = limits::kScanStepsMax;
  size_t names_left_ = limits::kScanNamesMax;
  size_t name_steps_ = 0;  // Since begin_name().
  size_t steps_ = 0;
  bool is_exhausted_ = false;
  bool is_placing_ = false;  // Resolving all mounts, which may not concern the pattern: no notes.
  HostDir host_;
  std::vector<HostDir> chain_;  // The directories down to the mount source opened last.
  PlacePtr root_;
  std::string rootless_reason_;
  std::map<std::string, const FsMount*> placed_;  // By canonical destination.
  std::optional<Result<ContainerProcess>> process_;
};

}  // namespace longshore::agent
