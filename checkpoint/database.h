// One SQLite connection: its statements, transactions, and errors.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "config/result.h"

namespace longshore::checkpoint {

/// A prepared statement between two uses. Thread: its database's.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}

  /// Binds the next parameter. Unsigned values keep their 64 bits in SQLite's signed ones.
  Statement& bind(int64_t value);
  Statement& bind(uint64_t value) { return bind(static_cast<int64_t>(value)); }
  Statement& bind_text(std::string_view text);
  Statement& bind_blob(std::string_view bytes);

  /// SQLITE_ROW, SQLITE_DONE or an error code.
  int step() { return sqlite3_step(statement_); }

  int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  uint64_t bits(int column) const { return static_cast<uint64_t>(number(column)); }
  std::string bytes(int column) const;

 private:
  sqlite3_stmt* statement_;
  int next_ = 1;
};

/// Thread: the one that opened it.
class Database {
 public:
  /// Opens `path`, creating it unless `read_only`, with WAL and synchronous=FULL, which is
  /// verified. Errors: kInvalid, one sentence.
  static Result<std::unique_ptr<Database>> open(const std::string& path, bool read_only);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// The statement of `sql`, compiled once. REQUIRES: `sql` compiles.
  Statement prepare(const char* sql);
  /// Runs statements without results. Errors as in fail().
  Status run(const char* sql);
  /// Runs a statement that returns no row.
  Status finish(Statement& statement);
  std::optional<int64_t> pragma(const char* sql);
  /// Of the file; empty if there is none.
  std::string path() const {
    const char* const path = sqlite3_db_filename(handle_, "main");
    return path == nullptr ? "" : path;
  }
  /// Keeps close() from moving the write-ahead log into the database. After a failed fsync the log
  /// may have a hole on the disk, and the part before it would be replayed over newer pages.
  void leave_log() const;

  /// The connection's last error: kFatal when an fsync failed or the file is damaged, kInvalid when
  /// the schema is not ours, else kRetryable.
  Error fail(const std::string& what) const;

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;  // By the literal's address.
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back unless commit() succeeds.
class WriteTransaction {
 public:
  explicit WriteTransaction(Database& database) : database_(database) {}
  ~WriteTransaction();
  Status begin();
  Status commit();

 private:
  Database& database_;
  bool open_ = false;
};

}  // namespace longshore::checkpoint
