#include "integrations/archive/target_flags.h"

#include <fmt/format.h>

#include "integrations/http/access_flags.h"

namespace longshore::archive {

void add_target_flags(kafka::Flags& flags) {
  namespace po = boost::program_options;
  flags.add_options()(
      "layout", po::value<std::string>()->default_value(Layout::kUsual)->value_name("FOLDERS"),
      "how the folders of the archive are named, by {topic}, {yyyy}, {MM}, {dd}, {HH} (UTC)");
  http::add_access_flags(flags);
  http::add_negotiate_flag(flags);
}

Result<Place> place_of(const kafka::FlagValues& values, const std::string& flag,
                       const std::atomic<bool>* stop) {
  if (!values.count(flag)) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("--{} is missing: give the archive's address, webhdfs://host:port/dir "
                             "or file:///dir.",
                             flag)};
  }
  Result<Layout> layout = Layout::parse(values["layout"].as<std::string>());
  if (!layout) return layout.error();
  Result<http::Access> access = http::access_of(values);
  if (!access) return access.error();
  TargetOptions options;
  options.url = values[flag].as<std::string>();
  options.stop = stop;
  options.access = *std::move(access);
  // Without a password a user is but named, as HDFS does without Kerberos.
  if (options.access.password.empty()) options.user = std::exchange(options.access.user, {});
  Result<std::unique_ptr<ArchiveTarget>> target = open_target("--" + flag, options);
  if (!target) return target.error();
  return Place{*std::move(target), *std::move(layout)};
}

}  // namespace longshore::archive
