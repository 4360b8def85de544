// Goal: every command that reads Kafka or an archive takes the same flags for help, files and
// secrets, and refuses wrong ones in the same words.
// Method: the table of fakes/command_table.h.

#include "integrations/archive/commands.h"
#include "integrations/audit/commands.h"
#include "integrations/kafka/commands.h"
#include "integrations/search/commands.h"
#include "tests/fakes/command_table.h"

namespace longshore {
namespace {

TEST(IntegrationCommands, take_the_common_flags) {
  for (const fakes::CommandRow& row : std::vector<fakes::CommandRow>{
           {"tap", kafka::run_tap, {"--brokers=b:1", "--topic=t"}, true},
           {"audit", audit::run_audit, {"--brokers=b:1", "--topic=t"}, true},
           {"index", search::run_index, {"--brokers=b:1", "--topic=t"}, true},
           {"replay", search::run_replay, {"--brokers=b:1"}, true},
           {"archive", archive::run_archive, {"--brokers=b:1", "--topic=t"}, true},
           {"fetch", archive::run_fetch, {}, false},
           {"broker", kafka::run_broker, {}, false},
       }) {
    fakes::expect_common_flags(row);
  }
}

TEST(IntegrationCommands, refuse_what_cannot_be_used) {
  using fakes::expect_refused;
  const fakes::CommandRow tap{"tap", kafka::run_tap, {"--brokers=b:1", "--topic=t"}, true};
  expect_refused(tap, {"--source=x"}, {"--source=x is not usable: an id has 16 hex digits."});
  expect_refused(tap, {"--from=middle"}, {"--from=middle", "beginning, end"});
  expect_refused(tap, {"--lines=0"}, {"--lines=0", "from 1 to"});
  expect_refused(tap, {"--isolation=dirty"}, {"read_committed, read_uncommitted"});
  expect_refused(tap, {"--raw", "--json"}, {"exclude each other"});
  expect_refused({"tap", kafka::run_tap, {}, true}, {}, {"--brokers is missing"});
  expect_refused({"audit", audit::run_audit, {}, true}, {"--brokers=b:1"}, {"--topic is missing"});
  expect_refused({"audit", audit::run_audit, {}, true}, {"--archive=file:///x"},
                 {"--topic is missing"});
  const fakes::CommandRow index{"index", search::run_index, {"--brokers=b:1", "--topic=t"}, true};
  expect_refused(index, {}, {"--to is missing"});
  expect_refused(index, {"--to=http://s:9200", "--index-setting=x"}, {"key=value"});
  expect_refused(index, {"--to=http://s:9200", "--bulk-bytes=1k"}, {"from 64K to 90M"});
  expect_refused(index, {"--to=http://s:9200", "--number=json.a", "--number=json.a"},
                 {"--number=json.a is not usable: name each field once"});
  expect_refused(index, {"--dead-letter=t"}, {"--dead-letter=t is not usable"});
  expect_refused(index, {"--to=http://s:9200", "--password-file=/nowhere"}, {"--password-file"});
  const fakes::CommandRow replay{"replay", search::run_replay, {"--brokers=b:1"}, true};
  expect_refused({"replay", search::run_replay, {}, true}, {}, {"--brokers is missing"});
  expect_refused(replay, {}, {"--to is missing"});
  expect_refused(replay, {"--dead-letter=none"}, {"--dead-letter=none is not usable"});
  expect_refused(replay, {"--dry-run", "--index=A"}, {"--index A: index names are lower-case."});
  expect_refused(replay, {"--metrics-file=x"}, {"'--metrics-file'"});
  const fakes::CommandRow archive{
      "archive", archive::run_archive, {"--brokers=b:1", "--topic=t", "--to=file:///tmp"}, true};
  expect_refused(archive, {"--compress=gzip", "--level=10"}, {"--level=10", "1 to 9"});
  expect_refused(archive, {"--level=20"}, {"from 1 to 19"});
  expect_refused(archive, {"--work-dir=/nowhere"}, {"--work-dir"});
  const fakes::CommandRow audit{"audit", audit::run_audit, {"--brokers=b:1", "--topic=t"}, true};
  for (const fakes::CommandRow& reading : {tap, audit, index, replay, archive}) {
    expect_refused(reading, {"--kafka=ssl.ca.location=/nowhere"},
                   {"ssl.ca.location names /nowhere, which cannot be read"});
    expect_refused(reading, {"--kafka=security.protocol=sasl_ssl"}, {"needs sasl.mechanism"});
  }
  const fakes::CommandRow fetch{
      "fetch", archive::run_fetch, {"--from=file:///tmp", "--topic=t"}, false};
  expect_refused(fetch, {"--since=yesterday"}, {"--since=yesterday", "2026-11-21"});
  expect_refused(fetch, {"--grep=("}, {"--grep=("});
  expect_refused({"broker", kafka::run_broker, {}, false}, {"--topic=a:x"}, {"--topic a:x"});
}

}  // namespace
}  // namespace longshore
