#include "integrations/http/access_flags.h"

#include <unistd.h>

#include <boost/program_options/value_semantic.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

namespace longshore::http {
namespace {

namespace po = boost::program_options;

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

std::string text_of(const po::variables_map& values, const char* flag) {
  return values.count(flag) ? values[flag].as<std::string>() : std::string();
}

/// The first line of the file that `flag` names, or the variable; empty where neither is set.
Result<std::string> secret(const po::variables_map& values, const char* flag,
                           const char* variable) {
  const std::string path = text_of(values, flag);
  if (path.empty()) {
    const char* const value = std::getenv(variable);
    return std::string(value ? value : "");
  }
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line))
    return invalid(std::string("--") + flag + " " + path +
                   ": this file has no first line to read.");
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty())
    return invalid(std::string("--") + flag + " " + path + ": its first line is empty.");
  return line;
}

}  // namespace

void add_access_flags(po::options_description& flags) {
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  auto add = flags.add_options();
  add("user", text("NAME"), "basic authentication; the password stands in --password-file");
  add("password-file", text("FILE"),
      "its first line is the password (or the variable LONGSHORE_PASSWORD is)");
  add("ca", text("FILE"), "certificates to trust, PEM (default: the system's)");
  add("cert", text("FILE"), "this client's own certificate, PEM");
  add("key", text("FILE"), "its private key, PEM");
  add("insecure", po::bool_switch(), "believe whoever answers: no check of certificates");
}

void add_api_key_flag(po::options_description& flags) {
  flags.add_options()("api-key-file", po::value<std::string>()->value_name("FILE"),
                      "its first line is an API key (or the variable LONGSHORE_API_KEY is)");
}

void add_negotiate_flag(po::options_description& flags) {
  flags.add_options()("negotiate", po::bool_switch(),
                      "Kerberos by SPNEGO, with the ticket that kinit or a keytab gave");
}

Result<Access> access_of(const po::variables_map& values) {
  Access access;
  access.user = text_of(values, "user");
  Result<std::string> password = secret(values, "password-file", "LONGSHORE_PASSWORD");
  if (!password) return password.error();
  access.password = *std::move(password);
  Result<std::string> key = secret(values, "api-key-file", "LONGSHORE_API_KEY");
  if (!key) return key.error();
  access.api_key = *std::move(key);
  access.negotiate = values.count("negotiate") && values["negotiate"].as<bool>();
  access.insecure = values["insecure"].as<bool>();
  for (const auto& [flag, path] :
       {std::pair{"ca", &access.ca_file}, std::pair{"cert", &access.cert_file},
        std::pair{"key", &access.key_file}}) {
    *path = text_of(values, flag);
    if (!path->empty() && ::access(path->c_str(), R_OK) != 0)
      return invalid(std::string("--") + flag + " " + *path + ": " + std::strerror(errno) + ".");
  }
  const int ways = int{!access.user.empty()} + int{!access.api_key.empty()} + int{access.negotiate};
  if (ways > 1) return invalid("--user, --api-key-file and --negotiate exclude each other.");
  if (values.count("password-file") && access.user.empty())
    return invalid("--password-file: --user is missing.");
  return access;
}

}  // namespace longshore::http
