// Goal: a stream equals its files only if every byte does, and the first difference is reported.
// Method: small files, records made by hand, one difference each.

#include "integrations/audit/stream_compare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "shipper/record/record_encoder.h"

namespace longshore::audit {
namespace {

class StreamCompareTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  StreamCompare compare(std::vector<std::string> paths) {
    return StreamCompare(FileChain::open(std::move(paths)).value());
  }
  static shipper::RecordView line(std::string_view text, uint32_t flags = 0) {
    shipper::RecordView record;
    record.text = text;
    record.flags = flags;
    return record;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("stream-compare-" + std::to_string(::getpid()));
};

TEST_F(StreamCompareTest, lines_over_several_files_are_equal) {
  auto compared = compare({file("a", "one\ntw"), file("b", ""), file("c", "o\r\nend")});
  compared.add(line("one"));
  compared.add(line("two\r"));
  compared.add(line("end", shipper::kFlagUnterminated));
  EXPECT_EQ(compared.finish(), "");
  EXPECT_EQ(compared.bytes_compared(), 12u);
}

TEST_F(StreamCompareTest, a_line_longer_than_the_buffer_is_equal_in_parts) {
  const std::string text(700'000, 'x');
  auto compared = compare({file("a", text + "\nafter\n")});
  for (uint32_t part = 0; part < 7; ++part) {
    shipper::RecordView record = line(std::string_view(text).substr(0, 100'000));
    record.part = part;
    record.last_part = part == 6;
    compared.add(record);
  }
  compared.add(line("after"));
  EXPECT_EQ(compared.finish(), "");
}

TEST_F(StreamCompareTest, what_is_no_text_is_in_no_record) {
  const std::string nuls(300'000, '\0');
  const std::string bom = "\xEF\xBB\xBF";
  auto compared = compare({file("a", bom + "one\r\n" + nuls + "two\n" + nuls),
                           file("b", bom + "bad \xff byte\r\n"), file("c", nuls)});
  compared.add(line("one"));
  compared.add(line("two"));
  compared.add(line("bad \ufffd byte", shipper::kFlagReplaced));
  EXPECT_EQ(compared.finish(), "");
}

TEST_F(StreamCompareTest, the_first_difference_is_named_with_its_file_and_offset) {
  const std::string second = file("b", "two\nthree\n");
  auto compared = compare({file("a", "one\n"), second});
  compared.add(line("one"));
  compared.add(line("twx"));
  compared.add(line("three"));
  EXPECT_EQ(compared.finish(),
            "at " + second + ":2: the file holds \"o\\nthree\\n\", the topic \"x\"");
}

TEST_F(StreamCompareTest, what_the_topic_lacks_at_the_end_is_counted) {
  const std::string path = file("a", "one\ntwo\n");
  auto compared = compare({path});
  compared.add(line("one"));
  EXPECT_EQ(compared.finish(),
            "from " + path + ":4 on: 4 bytes at the end of the file are missing in the topic");
}

TEST_F(StreamCompareTest, what_the_topic_has_beyond_the_file_is_a_difference) {
  auto compared = compare({file("a", "one\n")});
  compared.add(line("one"));
  compared.add(line("two"));
  EXPECT_NE(compared.finish().find("the file holds the end, the topic \"two\""), std::string::npos);
}

TEST_F(StreamCompareTest, replaced_bytes_equal_the_same_bytes_replaced) {
  auto compared = compare({file("a", "bad \xff byte\nbad \xfe byte\n")});
  compared.add(line("bad \ufffd byte", shipper::kFlagReplaced));
  compared.add(line("bad X byte", shipper::kFlagReplaced));
  EXPECT_NE(compared.finish(), "");
}

TEST_F(StreamCompareTest, blanks_around_an_embedded_object_are_passed_over) {
  auto compared = compare({file("a", "  {\"a\": 1}\r\n{}\n")});
  shipper::RecordView record = line("{\"a\": 1}");
  record.embedded = true;
  compared.add(record);
  record.text = "{}";
  compared.add(record);
  EXPECT_EQ(compared.finish(), "");
}

}  // namespace
}  // namespace longshore::audit
