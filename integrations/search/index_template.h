// The index template that `longshore index` installs: which field is what, and how `message` is
// taken apart.
//
// A line is cut at white space and the separators into wholes, and each whole at all that is
// neither letter nor digit into parts; both are found. A query is cut into parts, so that a phrase
// of them finds a whole, or any stretch of it: "order-4711", "4711", "e29b-41d4".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/result.h"
#include "integrations/search/index_name.h"

namespace longshore::search {

/// What the server is, as far as it matters.
enum class FlatType : uint8_t {
  kFlatObject,  ///< OpenSearch from 2.7 on.
  kFlattened,   ///< Elasticsearch.
  kNone         ///< Neither: the object is kept, and not searched.
};

struct TemplateOptions {
  std::string separators = ",;=|'\"()[]{}<>?&!`";
  std::vector<std::pair<std::string, std::string>> index_settings;  ///< number_of_replicas=0
  FlatType flat = FlatType::kNone;
};

/// Errors: kInvalid, without the flag's name: not UTF-8, or beyond what the tokenizer knows.
Status check_separators(std::string_view separators);

/// A name of its own for each topic's indices.
std::string template_name(const IndexName& index, std::string_view topic);

/// The body of PUT /_index_template/<name>. REQUIRES: checked separators.
std::string template_body(const IndexName& index, std::string_view topic,
                          const TemplateOptions& options);

}  // namespace longshore::search
