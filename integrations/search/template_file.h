// The operator's own index template, --template FILE: what is sent in place of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/result.h"

namespace longshore::search {

struct TemplateFile {
  std::string text;                ///< A JSON object without "index_patterns".
  std::optional<int64_t> version;  ///< Its "version".
};

/// `text` must be one JSON object, as PUT /_index_template takes it, but without "index_patterns":
/// --index and --topic say those. Errors: kInvalid: a sentence that says what is wrong, and where,
/// without the name of the file.
Result<TemplateFile> check_template(std::string text);

/// Reads and checks a file of 1 MiB at most. Errors: kInvalid: a sentence with the name.
Result<TemplateFile> read_template(const std::string& path);

}  // namespace longshore::search
