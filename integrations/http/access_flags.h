// The flags that give a command its credentials for HTTP and the certificates to trust.
#pragma once

#include <string>

#include "config/command_line.h"
#include "integrations/http/client.h"

namespace longshore::http {

struct AccessFlags {
  Access access;
  std::string password_file, api_key_file;
};

/// --user, --password-file, --negotiate, --ca, --cert, --key, --insecure.
void add_access_flags(CommandLine& line, AccessFlags& flags);

/// --api-key-file.
void add_api_key_flag(CommandLine& line, AccessFlags& flags);

/// What the flags say. Secrets come from the files that are named, or from the variables
/// LONGSHORE_PASSWORD and LONGSHORE_API_KEY: every user of the machine can read arguments.
/// Errors: kInvalid.
Result<Access> access_of(const CommandLine& line, const AccessFlags& flags);

}  // namespace longshore::http
