#include "integrations/search/service_setup.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <string>

#include "integrations/kafka/persist.h"

namespace longshore::search {
namespace {

/// Unless the server has a newer one.
Status install(const std::string& name, const std::string& pattern, const std::string& body,
               std::optional<int64_t> version, SearchNode& node) {
  const Result<std::optional<int64_t>> there = node.template_version(name);
  if (!there) return there.error();
  if (*there && version && **there > *version) {
    spdlog::warn(
        "index template {} has version {} in the service, which is newer than {}: it stays; new "
        "indices of {} follow it",
        name, **there, *version, pattern);
    return ok();
  }
  if (Status put = node.put_template(name, body); !put) return put;
  spdlog::info("installed index template {}{} for {}", name,
               version ? fmt::format(" version {}", *version) : "", pattern);
  return ok();
}

/// A user of an earlier version finds the records that follow under another name.
Status note_former_index(const std::string& topic, const IndexName& index, SearchNode& node) {
  static const IndexName former = IndexName::parse(kFormerIndex).value();
  const auto there = node.template_version(template_name(former, topic));
  if (!there) return there.error();
  if (*there) {
    spdlog::warn(
        "an earlier version stored topic {} in {}; new records go into {}. To go on there, give "
        "--index '{}'; to end this warning, delete the index template {}",
        topic, former.wildcard(topic), index.wildcard(topic), kFormerIndex,
        template_name(former, topic));
  }
  return ok();
}

}  // namespace

Status set_up_service(const IndexSettings& settings, const kafka::Stopping& stopping,
                      kafka::Complaints& complaints, SearchNode& node) {
  TemplateOptions options = settings.index_template;
  Status found = kafka::persist("Starting", stopping, complaints, [&]() -> Status {
    const Result<FlatType> type = node.find_type();
    if (!type) return type.error();
    options.flat = type.value();
    return ok();
  });
  if (found && settings.keep) {  // Else records that are to be kept would be left out.
    found = kafka::persist("Starting", stopping, complaints,
                           [&] { return check_clock(SystemClock(), node); });
  }
  if (!found || !settings.install_template) return found;
  const IndexName& index = settings.document.index;
  for (const std::string& topic : settings.group.topics) {
    Status installed = kafka::persist("Installing the index template", stopping, complaints, [&] {
      if (!index.has_date()) {
        const Result<bool> stream = node.is_data_stream(index.wildcard(topic));
        if (!stream) return Status(stream.error());
        options.data_stream = settings.index_template.data_stream || *stream;
      }
      return install(template_name(index, topic), index.wildcard(topic),
                     template_body(index, topic, options), template_version(options), node);
    });
    if (installed && settings.default_index) {
      installed = kafka::persist("Starting", stopping, complaints,
                                 [&] { return note_former_index(topic, index, node); });
    }
    if (!installed) return installed;
  }
  return ok();
}

}  // namespace longshore::search
