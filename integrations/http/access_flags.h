// The flags by which every command that speaks HTTP is told who it is.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

#include "config/result.h"
#include "integrations/http/client.h"

namespace longshore::http {

/// --user, --password-file, --ca, --cert, --key, --insecure.
void add_access_flags(boost::program_options::options_description& flags);

/// Adds --api-key-file.
void add_api_key_flag(boost::program_options::options_description& flags);

/// Adds --negotiate.
void add_negotiate_flag(boost::program_options::options_description& flags);

/// What the flags came to, of those that were added. Secrets are read from the files that are
/// named, or are the variables LONGSHORE_PASSWORD and LONGSHORE_API_KEY: arguments are seen by
/// everyone on the machine. Errors: kInvalid.
Result<Access> access_of(const boost::program_options::variables_map& values);

}  // namespace longshore::http
