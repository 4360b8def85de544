// `longshore audit`. `arguments` are what follows the command's name. It returns the exit status: 0
// everything is complete, 1 something is wrong, 2 unusable settings.
#pragma once

#include <string>
#include <vector>

namespace longshore::audit {

/// Audits Kafka's topics or, with --archive URL, an archive.
int run_audit(const std::vector<std::string>& arguments);

}  // namespace longshore::audit
