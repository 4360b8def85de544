// What every command owes to those who type it, checked for a table of commands.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fakes/temporary_dir.h"

namespace longshore::fakes {

using Words = std::vector<std::string>;

struct Ran {
  int status;
  std::string out, err;
};

/// Runs a command with its output captured.
template <typename Command>
Ran run_captured(Command command, const Words& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = command(arguments);
  return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

struct CommandRow {
  std::string name;  ///< "checkpoint adopt"
  int (*run)(const Words&);
  Words first;  ///< Arguments that it always needs, the subcommand first.
  bool kafka;   ///< Whether it speaks to Kafka.
};

inline void expect_refused(const CommandRow& row, const Words& more, const Words& parts) {
  Words arguments = row.first;
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ran ran = run_captured(row.run, arguments);
  EXPECT_EQ(ran.status, 2) << row.name;
  EXPECT_EQ(ran.out, "") << row.name;
  const std::string prefix = "longshore " + row.name.substr(0, row.name.find(' ')) + ": ";
  EXPECT_TRUE(ran.err.starts_with(prefix)) << ran.err;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  for (const std::string& part : parts)
    EXPECT_NE(ran.err.find(part), std::string::npos)
        << row.name << ": " << part << " in " << ran.err;
}

inline void expect_help(const CommandRow& row) {
  Words arguments = row.first;
  arguments.emplace_back("--help");
  const Ran help = run_captured(row.run, arguments);
  EXPECT_EQ(help.status, 0) << row.name;
  EXPECT_EQ(help.err, "") << row.name;
  EXPECT_NE(help.out.find("\nUsage: longshore " + row.name + " [flags]"), std::string::npos)
      << help.out;
  EXPECT_NE(help.out.find("--config FILE"), std::string::npos) << help.out;
  EXPECT_EQ(help.out.find("--kafka-config FILE") != std::string::npos, row.kafka) << help.out;
  std::istringstream lines(help.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

/// --help, --config, --kafka-config and wrong flags, the same in every command.
inline void expect_common_flags(const CommandRow& row) {
  const TemporaryDir dir;
  const std::string config = dir.path() + "/config", kafka = dir.path() + "/kafka";
  std::ofstream(config) << "\nconfgi = 1\n";
  std::ofstream(kafka) << "client.id=x\n";
  std::filesystem::permissions(kafka, static_cast<std::filesystem::perms>(0644));
  expect_help(row);
  expect_refused(row, {"--confgi=x"}, {"'--confgi'", "did you mean '--config'?"});
  expect_refused(row, {"--config", config}, {config + ":2: unknown setting 'confgi'"});
  expect_refused(row, {"--config", dir.path() + "/none"}, {"none cannot be read"});
  if (!row.kafka) return;
  expect_refused(row, {"--kafka-config", kafka}, {"chmod 600 " + kafka});
  expect_refused(row, {"--kafka=sasl.password=x"}, {"--kafka-config FILE"});
}

}  // namespace longshore::fakes
