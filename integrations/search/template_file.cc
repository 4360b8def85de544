#include "integrations/search/template_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "config/printable.h"

namespace longshore::search {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kFileBytesMax = 1 << 20;
constexpr int kDepthMax = 64;  // Mappings are 20 deep at most, unless a server is told otherwise.

/// "[json.exception.parse_error.101] parse error at line 1, column 2: ..." from "line" on.
std::string where_and_why(const Json::exception& error) {
  const std::string words = error.what();
  const size_t at = words.find("line ");
  return printable(at == std::string::npos ? words : words.substr(at));
}

}  // namespace

Result<TemplateFile> check_template(std::string text) {
  if (text.size() > kFileBytesMax) return invalid("a template has 1 MiB at most.");
  bool is_deep = false;
  Json root;
  try {
    root = Json::parse(text, [&is_deep](int depth, Json::parse_event_t, Json&) {
      is_deep = is_deep || depth > kDepthMax;
      return depth <= kDepthMax;
    });
  } catch (const Json::exception& error) {
    return invalid(fmt::format("it is not JSON: {}.", where_and_why(error)));
  }
  if (is_deep)
    return invalid(fmt::format("more than {} objects and arrays stand in one another.", kDepthMax));
  if (!root.is_object()) return invalid("a template is a JSON object: {\"template\":{...}}.");
  if (root.contains("index_patterns"))
    return invalid("\"index_patterns\" must be left out: --index and --topic say them.");
  TemplateFile file{std::move(text), {}};
  if (root.contains("version")) {
    const Json& version = root["version"];
    const bool is_fit = version.is_number_integer() &&
                        (!version.is_number_unsigned() || version.get<uint64_t>() <= INT64_MAX);
    if (!is_fit) return invalid("\"version\" is a whole number, such as 3.");
    file.version = version.get<int64_t>();
  }
  return file;
}

Result<TemplateFile> read_template(const std::string& path) {
  const auto unusable = [&path](const std::string& why) {
    return invalid(fmt::format("--template {}: {}", printable(path), why));
  };
  std::ifstream stream(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  errno = 0;
  if (!stream || stream.read(text.data(), static_cast<std::streamsize>(text.size())).bad())
    return unusable(fmt::format("it cannot be read: {}.", std::strerror(errno)));
  text.resize(static_cast<size_t>(stream.gcount()));
  Result<TemplateFile> file = check_template(std::move(text));
  if (!file) return unusable(file.error().message);
  return file;
}

}  // namespace longshore::search
