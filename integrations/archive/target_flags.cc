#include "integrations/archive/target_flags.h"

namespace longshore::archive {

void add_target_flags(CommandLine& line, TargetFlags& flags) {
  line.section("The archive");
  line.text(
      flags.flag.c_str(), &flags.url, "URL",
      "The archive: webhdfs://namenode:9870[,namenode:9870...]/dir (also HttpFS), swebhdfs:// "
      "with TLS, or file:///dir.");
  line.text("layout", &flags.layout, "FOLDERS",
            "Name the folders of the archive by {topic}, {yyyy}, {MM}, {dd} and {HH} (UTC).");
  line.text("hdfs-user", &flags.hdfs_user, "NAME",
            "Be this user of an HDFS without Kerberos, which takes names on trust (user.name).");
  http::add_access_flags(line, flags.access);
}

Result<PlaceOptions> place_options(const CommandLine& line, const TargetFlags& flags) {
  if (flags.url.empty()) {
    return missing(flags.flag,
                   "give the archive's address, webhdfs://host:port/dir or file:///dir");
  }
  Result<Layout> layout = Layout::parse(flags.layout);
  if (!layout) return layout.error();
  Result<http::Access> access = http::access_of(line, flags.access);
  if (!access) return access.error();
  TargetOptions target;
  target.url = flags.url;
  target.access = *std::move(access);
  target.user = flags.hdfs_user;
  if (!target.access.user.empty() && target.access.password.empty()) {
    return missing("password-file",
                   "--user signs in with a password; to be a user of an HDFS without Kerberos, use "
                   "--hdfs-user");
  }
  if (!target.user.empty() && target.access.negotiate)
    return invalid("--hdfs-user and --negotiate exclude each other: the ticket names the user.");
  return PlaceOptions{flags.flag, std::move(target), *std::move(layout)};
}

Result<Place> open_place(const PlaceOptions& options, const std::atomic<bool>* stop) {
  TargetOptions stopped = options.target;
  stopped.stop = stop;
  auto target = open_target("--" + options.flag, stopped);
  if (!target) return target.error();
  return Place{*std::move(target), options.layout, options.target.url};
}

}  // namespace longshore::archive
