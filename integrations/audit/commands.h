// `longshore audit`. argv[0] is the command's own name; the return value is the exit status: 0 all
// complete, 1 found something wrong, 2 unusable settings.
#pragma once

namespace longshore::audit {

/// Audits Kafka's topics or, with --archive URL, an archive.
int run_audit(int argc, char** argv);

/// The second half of run_audit(): the chain proof over an archive, its ledger if that is archived
/// too, and whether the names of the files tile each partition.
int run_archive_audit(int argc, char** argv);

}  // namespace longshore::audit
