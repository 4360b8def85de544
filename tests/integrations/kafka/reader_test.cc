// Goal: settings that reading depends on cannot be overridden, and the refusal names the setting.
// Method: a reader is opened with each of them; no broker is asked.

#include "integrations/kafka/reader.h"

#include <gtest/gtest.h>

namespace longshore::kafka {
namespace {

TEST(ReaderTest, a_setting_that_reading_rests_on_is_refused) {
  for (const char* const name :
       {"bootstrap.servers", "metadata.broker.list", "isolation.level", "enable.partition.eof",
        "allow.auto.create.topics", "auto.offset.reset"}) {
    ReaderOptions options;
    options.brokers = "127.0.0.1:1";
    options.topics = {"logs"};
    options.settings = {{name, "true"}};
    const auto reader = Reader::open(options);
    ASSERT_FALSE(reader) << name;
    EXPECT_EQ(reader.error().code, ErrorCode::kInvalid);
    EXPECT_NE(reader.error().message.find(name), std::string::npos) << reader.error().message;
  }
}

}  // namespace
}  // namespace longshore::kafka
