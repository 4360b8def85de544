// The commands of the archive. argv[0] is the command's own name; the return value is the exit
// status: 0 done, 1 found something wrong, 2 unusable settings.
#pragma once

namespace longshore::hdfs {

int run_archive(int argc, char** argv);
int run_fetch(int argc, char** argv);

/// As kafka::run_audit(), of an archive: with --archive URL instead of --brokers. The chain proof,
/// the ledger if its topic is archived too, and that the names of the files tile each partition.
int run_archive_audit(int argc, char** argv);
/// Whether the arguments of `audit` ask for that.
bool is_archive_audit(int argc, char** argv);

}  // namespace longshore::hdfs
