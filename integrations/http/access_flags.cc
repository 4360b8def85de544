#include "integrations/http/access_flags.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace longshore::http {
namespace {

/// The first line of the file at `path`, which `flag` names; the variable if there is no path.
Result<std::string> secret(const CommandLine& line, const char* flag, const std::string& path,
                           const char* variable) {
  if (path.empty()) return line.variable(variable);
  std::ifstream file(path);
  std::string first;
  if (!file || !std::getline(file, first))
    return line.unusable(flag, path, "this file has no first line to read");
  if (first.ends_with('\r')) first.pop_back();
  if (first.empty()) return line.unusable(flag, path, "its first line is empty");
  return first;
}

}  // namespace

void add_access_flags(CommandLine& line, AccessFlags& flags) {
  line.section("Access over HTTP");
  line.text("user", &flags.access.user, "NAME",
            "Sign in as this user, with the password in --password-file.");
  line.text("password-file", &flags.password_file, "FILE",
            "Take the password from the first line of this file, or else from the variable "
            "LONGSHORE_PASSWORD.");
  line.toggle("negotiate", &flags.access.negotiate,
              "Sign in by Kerberos (SPNEGO), with the ticket of kinit or a keytab.");
  line.text("ca", &flags.access.ca_file, "FILE",
            "Trust the certificates in this PEM file instead of the system's.");
  line.text("cert", &flags.access.cert_file, "FILE", "Present this client certificate (PEM).");
  line.text("key", &flags.access.key_file, "FILE", "The private key of --cert (PEM).");
  line.toggle("insecure", &flags.access.insecure, "Do not check certificates.");
}

void add_api_key_flag(CommandLine& line, AccessFlags& flags) {
  line.text("api-key-file", &flags.api_key_file, "FILE",
            "Take an API key from the first line of this file, or else from the variable "
            "LONGSHORE_API_KEY.");
}

Result<Access> access_of(const CommandLine& line, const AccessFlags& flags) {
  Access access = flags.access;
  auto password = secret(line, "password-file", flags.password_file, "LONGSHORE_PASSWORD");
  if (!password) return password.error();
  access.password = *std::move(password);
  auto key = secret(line, "api-key-file", flags.api_key_file, "LONGSHORE_API_KEY");
  if (!key) return key.error();
  access.api_key = *std::move(key);
  for (const auto& [flag, path] :
       {std::pair{"ca", &access.ca_file}, std::pair{"cert", &access.cert_file},
        std::pair{"key", &access.key_file}}) {
    if (!path->empty() && ::access(path->c_str(), R_OK) != 0)
      return line.unusable(flag, *path, std::strerror(errno));
  }
  const int ways = int{!access.user.empty()} + int{!access.api_key.empty()} + int{access.negotiate};
  if (ways > 1) return invalid("--user, --api-key-file and --negotiate exclude each other.");
  if (!flags.password_file.empty() && access.user.empty())
    return missing("user", "--password-file needs the name that belongs to the password");
  return access;
}

}  // namespace longshore::http
