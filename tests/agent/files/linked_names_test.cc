// Goal: a log that is reached through a symlink has the link's name; two containers have one name
// for it only if they cannot see different files there.
// Method: links in layers and in shared volumes, scanned as two containers see them.

#include <gtest/gtest.h>

#include "tests/fakes/container_tree.h"

namespace longshore::agent {
namespace {

class LinkedNames : public testing::Test {
 protected:
  // "blue" and "green" have layers of their own, and the volume at /logs.
  FsSpec container(const std::string& name) const {
    FsSpec spec;
    spec.container_id = name;
    tree_.directory(name);
    spec.layers = {tree_.path(name), tree_.path("lower")};
    spec.mounts = {{"/logs", tree_.path("volume")}};
    return spec;
  }
  // The name on the host, and that in the container.
  std::vector<std::string> name_of(const FsSpec& spec, const std::string& pattern) const {
    const ScanResult result = tree_.scan(spec, pattern);
    if (result.files.size() != 1) return {std::to_string(result.files.size()) + " files"};
    return {result.files[0].log_path(), result.files[0].log.container_path};
  }

  ContainerTree tree_;
  const FsSpec blue_ = container("blue"), green_ = container("green");
};

using Names = std::vector<std::string>;

TEST_F(LinkedNames, a_file_without_a_link_has_its_own_name) {
  tree_.file("blue/app/a.log");
  EXPECT_EQ(name_of(blue_, "/app/a.log"), (Names{tree_.path("blue/app/a.log"), ""}));
}

TEST_F(LinkedNames, the_first_link_on_the_way_names_the_log) {
  tree_.file("blue/srv/releases/42/app.log");
  tree_.link("blue/srv/current", "releases/42");
  tree_.link("blue/opt", "srv");
  EXPECT_EQ(name_of(blue_, "/srv/current/app.log"),
            (Names{tree_.path("blue/srv/current/app.log"), "/srv/current/app.log"}));
  EXPECT_EQ(name_of(blue_, "/opt/*/app.log"),
            (Names{tree_.path("blue/opt/current/app.log"), "/opt/current/app.log"}));
}

TEST_F(LinkedNames, a_link_within_a_shared_volume_has_one_name) {
  tree_.file("volume/a-1.log");
  tree_.link("volume/app.log", "a-1.log");
  const Names expected{tree_.path("volume/app.log"), "/logs/app.log"};
  EXPECT_EQ(name_of(blue_, "/logs/app.log"), expected);
  EXPECT_EQ(name_of(green_, "/logs/app.log"), expected);
}

TEST_F(LinkedNames, a_link_that_leaves_the_volume_has_one_name_for_each_container) {
  for (const char* target : {"/data/a.log", "../data/a.log", "/data/back"}) {
    tree_.remove("volume");
    tree_.file("volume/b.log");
    tree_.link("volume/app.log", target);
    for (const std::string name : {"blue", "green"}) {
      tree_.remove(name + "/data");
      tree_.file(name + "/data/a.log");
      tree_.link(name + "/data/back", "/logs/b.log");
      EXPECT_EQ(name_of(name == "blue" ? blue_ : green_, "/logs/app.log"),
                (Names{tree_.path(name + "/logs/app.log"), "/logs/app.log"}))
          << target;
    }
  }
}

TEST_F(LinkedNames, a_link_of_the_image_has_one_name_for_each_container) {
  tree_.file("volume/a.log");
  tree_.link("lower/app.log", "/logs/a.log");
  EXPECT_EQ(name_of(blue_, "/app.log"), (Names{tree_.path("blue/app.log"), "/app.log"}));
  EXPECT_EQ(name_of(green_, "/app.log"), (Names{tree_.path("green/app.log"), "/app.log"}));
}

TEST_F(LinkedNames, without_layers_the_container_names_it) {
  tree_.file("volume/a.log");
  FsSpec spec = blue_;
  spec.layers.clear();
  tree_.link("volume/out.log", "/logs/a.log");
  EXPECT_EQ(name_of(spec, "/logs/out.log"), (Names{"link:blue:/logs/out.log", "/logs/out.log"}));
}

TEST_F(LinkedNames, a_pattern_that_matches_the_target_too_names_the_target) {
  tree_.file("blue/app/a-1.log");
  tree_.link("blue/app/a.log", "a-1.log");
  tree_.link("blue/app/z.log", "a-1.log");
  EXPECT_EQ(name_of(blue_, "/app/*.log"), (Names{tree_.path("blue/app/a-1.log"), ""}));
}

TEST_F(LinkedNames, a_link_to_nothing_is_noted_under_the_name_that_its_log_would_have) {
  tree_.link("blue/srv/current", "releases/42");
  const ScanResult result = tree_.scan(blue_, "/srv/current/logs/app.log");
  ASSERT_EQ(result.linked.count(tree_.path("blue/srv/current/logs/app.log")), 1u);
  EXPECT_EQ(result.linked.begin()->second.container_path, "/srv/current/logs/app.log");
}

TEST_F(LinkedNames, what_is_excluded_is_excluded_by_every_name) {
  tree_.file("blue/srv/releases/42/debug.log");
  tree_.link("blue/srv/current", "releases/42");
  EXPECT_TRUE(tree_.scan(blue_, "/srv/current/*.log", "/srv/current/debug.log").files.empty());
  EXPECT_TRUE(tree_.scan(blue_, "/srv/current/*.log", "/srv/releases/42/*").files.empty());
}

TEST_F(LinkedNames, a_linked_directory_of_logs_has_the_name_of_its_link) {
  tree_.file("blue/data/log/x.log");
  tree_.link("blue/var/log", "../data/log");
  const ScanResult result = tree_.scan(blue_, "/var/log/*.log");
  const auto holder =
      std::ranges::find(result.directories, tree_.path("blue/data/log"), &WatchDir::host_path);
  ASSERT_NE(holder, result.directories.end());
  EXPECT_EQ(holder->log_path(), tree_.path("blue/var/log"));
}

}  // namespace
}  // namespace longshore::agent
