// Goal: what waits in a mailbox while nobody takes it is bounded by the sources, and keeps its
// order.
// Method: messages posted as the watch loop posts them while a lane is stuck.

#include "agent/link/mailbox.h"

#include <gtest/gtest.h>

#include "agent/link/messages.h"

namespace longshore::agent {
namespace {

TEST(Mailbox, touches_that_wait_are_one_message) {
  Mailbox<ToLane> mailbox;
  for (uint64_t i = 0; i < 10'000; ++i) mailbox.post(SourcesTouched{{SourceId{i % 3}}});
  const std::vector<ToLane> taken = mailbox.take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(std::get<SourcesTouched>(taken[0]).sources,
            (std::set<SourceId>{SourceId{0}, SourceId{1}, SourceId{2}}));
  EXPECT_TRUE(mailbox.take().empty());
}

TEST(Mailbox, other_messages_keep_their_place_among_touches) {
  Mailbox<ToLane> mailbox;
  mailbox.post(SourcesTouched{{SourceId{1}}});
  mailbox.post(SourceEnded{SourceId{1}});
  mailbox.post(SourcesTouched{{SourceId{2}}});
  mailbox.post(SourcesTouched{{SourceId{3}}});
  const std::vector<ToLane> taken = mailbox.take();
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(std::get<SourceEnded>(taken[1]).source, SourceId{1});
  EXPECT_EQ(std::get<SourcesTouched>(taken[2]).sources.size(), 2u);
}

}  // namespace
}  // namespace longshore::agent
