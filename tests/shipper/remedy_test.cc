// Goal: a connection that fails because of a setting names that setting and what to do.
// Method: librdkafka's and OpenSSL's own words, as they stood in the agent's log.

#include "shipper/kafka/remedy.h"

#include <gtest/gtest.h>

#include "shipper/kafka/log.h"

namespace longshore::shipper {
namespace {

bool names(const std::string& sentence, const char* setting) {
  return sentence.find(setting) != std::string::npos;
}

TEST(Remedy, tls_to_a_plaintext_port_names_port_and_protocol) {
  const std::string remedy = remedy_of(
      "ssl://127.0.0.1:9092/bootstrap: SSL handshake failed: ../ssl/record/ssl3_record.c:354:error:"
      "0A00010B:SSL routines:ssl3_get_record:wrong version number: (after 1ms in state "
      "SSL_HANDSHAKE)");
  EXPECT_TRUE(names(remedy, "--brokers") && names(remedy, "PLAINTEXT")) << remedy;
  EXPECT_EQ(remedy,
            remedy_of("SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker "
                      "listener?"));
}

TEST(Remedy, plaintext_to_a_tls_port_names_the_protocol) {
  const std::string remedy = remedy_of(
      "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol "
      "configuration (connecting to a SSL listener?) or broker version is < 0.10");
  EXPECT_TRUE(names(remedy, "security.protocol to SSL")) << remedy;
}

TEST(Remedy, an_unknown_authority_names_the_file) {
  EXPECT_TRUE(names(remedy_of("SSL handshake failed: error:0A000086: broker certificate could not "
                              "be verified, verify that ssl.ca.location is correctly configured"),
                    "Set ssl.ca.location"));
}

TEST(Remedy, missing_rights_name_what_to_grant) {
  EXPECT_TRUE(names(remedy_of(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED), "Grant READ"));
  EXPECT_TRUE(
      names(remedy_of(RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED), "Grant WRITE"));
}

TEST(Remedy, of_a_connection_that_fails_again_and_again_is_that_of_its_first_message) {
  KafkaLog log;
  EXPECT_EQ(log.last_failure(), "");
  log.write(4, "FAIL",
            "ssl://k:9092: SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker "
            "listener? (after 0ms in state SSL_HANDSHAKE)");
  log.write(4, "FAIL",
            "ssl://k:9092: Disconnected (after 2ms in state SSL_HANDSHAKE, 1 identical error(s) "
            "suppressed)");
  EXPECT_TRUE(names(log.last_failure(), "That port does not speak TLS")) << log.last_failure();
  log.write(4, "FAIL", "k:9092: Connect to ipv4#127.0.0.1:9092 failed: Connection refused");
  EXPECT_EQ(log.last_failure(),
            "k:9092: Connect to ipv4#127.0.0.1:9092 failed: Connection refused.");
}

TEST(Remedy, words_that_say_enough_get_none) {
  EXPECT_EQ(remedy_of("Connect to ipv4#127.0.0.1:9092 failed: Connection refused"), "");
  EXPECT_EQ(remedy_of(RD_KAFKA_RESP_ERR_NO_ERROR), "");
}

}  // namespace
}  // namespace longshore::shipper
