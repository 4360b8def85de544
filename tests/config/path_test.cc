// Goal: paths are split at the same places everywhere, also at the root and without a root.
// Method: a table for each function.

#include "config/path.h"

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(Path, the_last_component_and_its_directory) {
  EXPECT_EQ(last_component("/a/b.log"), "b.log");
  EXPECT_EQ(last_component("/b.log"), "b.log");
  EXPECT_EQ(last_component("b.log"), "b.log");
  EXPECT_EQ(last_component("/a/"), "");
  EXPECT_EQ(parent_path("/a/b/c.log"), "/a/b");
  EXPECT_EQ(parent_path("/a.log"), "/");
  EXPECT_EQ(parent_path("a/b"), "a");
  EXPECT_EQ(parent_path("b.log"), "");
}

TEST(Path, joining_is_the_inverse) {
  for (const std::string path : {"/a/b/c.log", "/a.log", "a/b", "b.log"})
    EXPECT_EQ(join_path(parent_path(path), last_component(path)), path);
}

TEST(Path, components_are_never_empty) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(path_components("/a//b/./c/"), (Parts{"a", "b", ".", "c"}));
  EXPECT_EQ(path_components("a"), Parts{"a"});
  EXPECT_EQ(path_components("/"), Parts{});
  EXPECT_EQ(path_components(""), Parts{});
}

}  // namespace
}  // namespace longshore
