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
#include <string>
#include <vector>

#include "agent/files/container_fs.h"
#include "agent/files/container_process.h"
#include "agent/files/host_dir.h"

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

  /// Opens the layers and finds where the mounts are. nullptr: the host's root cannot be opened.
  PlacePtr start();

  /// Why files outside of mounts cannot be seen; empty if they can.
  const std::string& rootless_reason() const { return rootless_reason_; }

  /// One component; a symlink is not followed.
  Entry look_up(const PlacePtr& place, const std::string& name);

  /// What the symlink `link`, which stands in `place`, leads to, with the protected-symlinks rule
  /// applied to each link on the way. Takes from `links_left`.
  Entry follow(const PlacePtr& place, const Entry& link, size_t& links_left);

  /// The names that look_up may find in `place`, sorted, each once. `is_file`: readdir reports a
  /// regular file, so it is no directory and no symlink.
  struct Name {
    std::string name;
    bool is_file = false;
  };
  std::vector<Name> names_in(const Place& place);

  /// The name of what stands at `path` in the container as no other container has it. Empty: the
  /// layers are not known.
  std::string private_path(const std::string& path) const;

  /// The scan has used up its budget of names: nothing more is found.
  bool is_exhausted() const { return is_exhausted_; }

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
  bool spend(size_t steps);
  void problem(std::string sentence);
  void cannot_enter(const std::string& what, const Error& error);
  void watch(const Place& place);
  void report(const Error& error);

  const FsSpec& spec_;
  const std::string& host_root_;
  const HostMounts& mounts_;
  WalkNotes& notes_;
  const bool trusts_marks_;
  size_t steps_left_;
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
