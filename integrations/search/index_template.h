// The index template that `longshore index` installs: the types of fields, and how `message` is
// split into searchable terms.
//
// A line is split at white space and separators into wholes, and each whole at everything that is
// neither letter nor digit into parts; both are indexed. A query is split into parts, so a phrase
// of parts finds a whole or any stretch of it: "order-4711", "4711", "e29b-41d4". The words of a
// part in camel case stand at its place: "user" finds getUserName. Chinese, Japanese and Korean
// characters are parts each. Terminals' colours are left out before all that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/result.h"
#include "integrations/search/index_name.h"
#include "integrations/search/template_file.h"

namespace longshore::search {

/// Raised by one with each change of the template: servers keep the newer one.
inline constexpr int64_t kTemplateVersion = 2;

/// The type that the server has for a JSON object of any shape.
enum class FlatType : uint8_t {
  kFlatObject,  ///< OpenSearch from 2.7 on.
  kFlattened,   ///< Elasticsearch.
  kNone         ///< None: the object is stored but not searchable.
};

struct TemplateOptions {
  std::string separators = ",;=|'\"()[]{}<>?&!`";
  std::vector<std::pair<std::string, std::string>> index_settings;  ///< number_of_replicas=0
  FlatType flat = FlatType::kNone;
  std::vector<std::string> numbers = {};  ///< Paths below "number": see DocumentOptions.
  bool data_stream = false;               ///< The index is one, or is to be.
  std::optional<TemplateFile> own = {};   ///< The operator's, in place of all of the above.
};

/// Errors: kInvalid, without the flag's name: not UTF-8.
Status check_separators(std::string_view separators);

/// Differs for each topic.
std::string template_name(const IndexName& index, std::string_view topic);

/// Nothing: the operator's template has none.
std::optional<int64_t> template_version(const TemplateOptions& options);

/// The body of PUT /_index_template/<name>. REQUIRES: checked separators.
std::string template_body(const IndexName& index, std::string_view topic,
                          const TemplateOptions& options);

}  // namespace longshore::search
