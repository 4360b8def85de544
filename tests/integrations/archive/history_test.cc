// Goal: a file of an archive that is not whole is never taken for whole.
// Method: files of each codec on a directory, whole, cut off at each byte, emptied, swapped, and
// with names of this and of older versions.

#include "integrations/archive/history.h"

#include <gtest/gtest.h>

#include "integrations/archive/targets/file_target.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::archive {
namespace {

/// Two lines in each of two frames.
std::string packed(Codec codec) {
  const auto encoder = make_encoder(codec, 1);
  std::string bytes;
  const Sink sink = [&bytes](std::string_view piece) {
    bytes += piece;
    return ok();
  };
  for (int frame = 0; frame < 2; ++frame) {
    EXPECT_TRUE(encoder->add("one\ntwo\n", sink));
    const bool ends = codec == Codec::kZstd || frame == 1;
    EXPECT_TRUE(!ends || encoder->finish(sink));
  }
  return bytes;
}

class ReadLines : public ::testing::Test {
 protected:
  /// What reading a file with this content says; empty: it is whole.
  std::string fault(const ArchiveName& name, std::string_view content) {
    EXPECT_TRUE(target_.remove("file"));
    EXPECT_TRUE(target_.put("file", content));
    lines_ = 0;
    const Status status = read({name, "file", {0}, static_cast<int64_t>(content.size())});
    if (status) return {};
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
    return status.error().message;
  }
  Status read(const ArchivedFile& file) {
    return read_lines(target_, file, [this](std::string_view) {
      lines_ += 1;
      return ok();
    });
  }

  fakes::TemporaryDir dir_;
  FileTarget target_{dir_.path()};
  int lines_ = 0;
};

TEST_F(ReadLines, a_file_that_was_cut_off_anywhere_is_not_whole) {
  int cuts = 0;
  for (const Codec codec : {Codec::kZstd, Codec::kGzip, Codec::kNone}) {
    const ArchiveName name{
        .topic = "logs", .partition = 0, .first = 0, .last = 9, .lines = 4, .codec = codec};
    const std::string whole = packed(codec);
    EXPECT_EQ(fault(name, whole), "");
    EXPECT_EQ(lines_, 4);
    for (size_t bytes = 0; bytes < whole.size(); ++bytes, ++cuts)
      EXPECT_NE(fault(name, whole.substr(0, bytes)), "") << bytes << " of " << whole.size();
  }
  EXPECT_GT(cuts, 50);
}

TEST_F(ReadLines, the_name_of_an_older_version_proves_what_it_can) {
  const ArchiveName name{.topic = "logs", .partition = 0, .first = 0, .last = 2};
  EXPECT_EQ(fault(name, ""), "file: it holds no line");
  EXPECT_EQ(fault(name, packed(Codec::kZstd)), "file: it holds 4 lines of 3 offsets");
}

TEST_F(ReadLines, an_empty_file_that_says_so_is_whole) {
  const ArchiveName name{
      .topic = "logs", .partition = 0, .first = 7, .last = 9, .lines = 0, .codec = Codec::kNone};
  EXPECT_EQ(fault(name, ""), "");
  EXPECT_EQ(fault(name, "one\n"), "file: it holds 1 of its 0 lines");
}

TEST_F(ReadLines, a_file_that_is_gone_is_named_and_others_can_be_read) {
  const Status status = read({ArchiveName{.topic = "logs"}, "gone", {0}, 5});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(status.error().message.find("gone: "), std::string::npos);
}

TEST_F(ReadLines, no_files_have_a_reason) {
  const Layout layout = *Layout::parse(Layout::kUsual);
  const auto why = [&](const std::string& topic, const std::string& root) {
    FileTarget target(root);
    return why_no_files(target, layout, {.topic = topic, .to = Hour{0}}, "file://" + root);
  };
  EXPECT_NE(why("logs", "/nowhere").message.find("there is no such folder"), std::string::npos);
  EXPECT_NE(why("logs", dir_.path()).message.find("no archive of longshore"), std::string::npos);
  const std::string folder = layout.folder("logs", {400'000});
  ASSERT_TRUE(target_.make_folder("_longshore/logs+0"));
  ASSERT_TRUE(target_.make_folder(folder));
  EXPECT_NE(why("lost", dir_.path()).message.find("check --topic; it has logs"), std::string::npos);
  EXPECT_NE(why("logs", dir_.path()).message.find("--layout"), std::string::npos);
  ASSERT_TRUE(target_.put(folder + "/logs+0+0+9+1.jsonl", "x\n"));
  const Error hours = why("logs", dir_.path());
  EXPECT_EQ(hours.code, ErrorCode::kNotFound);
  EXPECT_NE(hours.message.find("2015-08-19T16:00:00Z to 2015-08-19T16:00:00Z"), std::string::npos)
      << hours.message;
}

}  // namespace
}  // namespace longshore::archive
