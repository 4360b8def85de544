// The flags of the commands in this folder: argument, else environment (LONGSHORE_ + upper-case
// flag), through Boost.Program_options.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "config/result.h"
#include "integrations/kafka/reader.h"
#include "shipper/kafka/settings.h"

namespace longshore::kafka {

using Flags = boost::program_options::options_description;
using FlagValues = boost::program_options::variables_map;

/// Flags of every command that reads: --brokers, --topic, --isolation, --kafka, --help.
void add_reading_flags(Flags& flags);

/// Errors: kInvalid, one sentence, with the nearest known flag for an unknown one.
Result<FlagValues> parse_flags(int argc, char** argv, const Flags& flags);

/// The values of a flag that may be repeated.
std::vector<std::string> all_of(const FlagValues& values, const std::string& flag);

/// `k=v` of --kafka. Errors: kInvalid.
Result<shipper::KafkaSettings> kafka_settings(const FlagValues& values);

/// What add_reading_flags() asked for. Errors: kInvalid.
Result<ReaderOptions> reader_options(const FlagValues& values);

/// Prints the sentence to stderr after the command's name. Returns `status`, the exit status.
int complain(const char* command, const Error& error, int status = 2);

}  // namespace longshore::kafka
