// Goal: a password reaches Kafka without ever appearing in the arguments, and a file with passwords
// is refused while others can read it.
// Method: the flags alone, with files of every mode.

#include "config/kafka_flags.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temporary_dir.h"

namespace longshore {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

class KafkaFlagsTest : public testing::Test {
 protected:
  std::string file(const std::string& text, int mode = 0600) {
    const std::string path = dir_.path() + "/kafka.conf";
    std::ofstream(path) << text;
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
    return path;
  }

  static Result<KafkaAccess> parse(std::vector<std::string> arguments,
                                   const Environment& environment = {}) {
    CommandLine line({"test", "", ""});
    KafkaFlags flags;
    add_kafka_flags(line, flags);
    arguments.emplace_back("--brokers=b:1");
    if (const auto parsed = line.parse(arguments, environment); !parsed) return parsed.error();
    return kafka_access(line, flags);
  }
  static Settings settings(const std::vector<std::string>& arguments,
                           const Environment& environment = {}) {
    const auto access = parse(arguments, environment);
    if (access) return access->settings;
    ADD_FAILURE() << access.error().message;
    return {};
  }
  static std::string refusal(const std::vector<std::string>& arguments,
                             const Environment& environment = {}) {
    const auto access = parse(arguments, environment);
    return access ? "accepted" : access.error().message;
  }

 private:
  const fakes::TemporaryDir dir_;
};

TEST_F(KafkaFlagsTest, flags_come_after_the_file_and_so_win) {
  const std::string path = file(
      "# TLS\nsecurity.protocol = SASL_SSL\n sasl.password=p#w;d = x \r\n"
      "\nclient.id=file\n");
  EXPECT_EQ(settings({"--kafka-config", path, "--kafka=client.id=flag"}),
            Settings({{"security.protocol", "SASL_SSL"},
                      {"sasl.password", "p#w;d = x"},
                      {"client.id", "file"},
                      {"client.id", "flag"}}));
  EXPECT_EQ(settings({}, {{"LONGSHORE_KAFKA_CONFIG", path}}).size(), 3u);
}

TEST_F(KafkaFlagsTest, a_file_that_others_can_read_is_refused) {
  for (const int mode : {0600, 0400, 0700, 0620})
    EXPECT_EQ(settings({"--kafka-config", file("client.id=x\n", mode)}).size(), 1u) << mode;
  for (const int mode : {0640, 0604, 0644, 0444, 0777}) {
    const std::string path = file("client.id=x\n", mode);
    EXPECT_EQ(refusal({"--kafka-config", path}),
              "--kafka-config " + path +
                  " can be read by other users: make it your own with 'chmod 600 " + path + "'.");
  }
}

TEST_F(KafkaFlagsTest, a_file_that_is_not_there_or_no_settings_is_refused_without_its_text) {
  EXPECT_EQ(refusal({"--kafka-config", "/nowhere/kafka.conf"}),
            "--kafka-config /nowhere/kafka.conf cannot be read (No such file or directory); check "
            "the path and its permissions.");
  const std::string path = file("client.id=x\nsasl.password geheim\n");
  EXPECT_EQ(refusal({"--kafka-config", path}),
            path + ":2: this line is no setting; write 'name = value'.");
}

TEST_F(KafkaFlagsTest, a_password_in_arguments_is_refused_and_not_repeated) {
  for (const std::string property : {"sasl.password", "ssl.key.password", "ssl.keystore.password",
                                     "sasl.oauthbearer.client.secret", "ssl.key.pem"}) {
    const std::string sentence = refusal({"--kafka", property + "=geheim"});
    EXPECT_TRUE(sentence.starts_with("--kafka " + property + " is refused in arguments"))
        << sentence;
    EXPECT_NE(sentence.find("--kafka-config FILE"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find("geheim"), std::string::npos) << sentence;
    EXPECT_EQ(settings({}, {{"LONGSHORE_KAFKA", property + "=geheim"}}),
              Settings({{property, "geheim"}}));
    EXPECT_EQ(settings({"--config", file("kafka = " + property + "=geheim\n")}),
              Settings({{property, "geheim"}}));
  }
  EXPECT_EQ(settings({"--kafka=sasl.username=u", "--kafka=ssl.key.location=/k"}).size(), 2u);
}

TEST_F(KafkaFlagsTest, quotation_marks_never_become_part_of_a_value_unseen) {
  EXPECT_EQ(settings({"--kafka-config", file("sasl.password = \"p'w\"\nclient.id='\"x\"'\n")}),
            Settings({{"sasl.password", "p'w"}, {"client.id", "\"x\""}}));
  EXPECT_EQ(refusal({}, {{"LONGSHORE_KAFKA", "sasl.password=\"geheim\""}}),
            "--kafka sasl.password has a value in quotation marks, which would be part of it: "
            "leave them out.");
  const std::string path = file("sasl.password=\"geheim\n");
  EXPECT_TRUE(refusal({"--kafka-config", path}).starts_with(path + ":1: the quotation mark"));
  EXPECT_EQ(refusal({"--kafka-config", path}).find("geheim"), std::string::npos);
  // As docker run --env-file hands it over.
  CommandLine line({"test", "", ""});
  KafkaFlags flags;
  add_kafka_flags(line, flags);
  ASSERT_TRUE(line.parse({}, {{"LONGSHORE_BROKERS", "\"b:1\""}}));
  EXPECT_EQ(kafka_access(line, flags).error().message,
            "LONGSHORE_BROKERS=\"b:1\" is not usable: write host:port,host:port without quotation "
            "marks.");
}

TEST_F(KafkaFlagsTest, what_is_missing_or_no_pair_is_refused) {
  CommandLine line({"test", "", ""});
  const auto access = kafka_access(line, {});
  ASSERT_FALSE(access);
  EXPECT_TRUE(access.error().message.starts_with("--brokers is missing: "))
      << access.error().message;
  EXPECT_EQ(refusal({"--kafka=acks"}), "--kafka=acks is not usable: write it as key=value.");
  EXPECT_EQ(refusal({}, {{"LONGSHORE_KAFKA", "a=b\n=c"}}),
            "LONGSHORE_KAFKA==c is not usable: write it as key=value.");
}

}  // namespace
}  // namespace longshore
