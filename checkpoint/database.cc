#include "checkpoint/database.h"

#include <cerrno>

#include "config/limits.h"

namespace longshore::checkpoint {
namespace {

constexpr int64_t kSynchronousFull = 2;

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(int64_t value) {
  sqlite3_bind_int64(statement_, next_++, value);
  return *this;
}

Statement& Statement::bind_text(std::string_view text) {
  sqlite3_bind_text(statement_, next_++, text.data() == nullptr ? "" : text.data(),
                    static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  sqlite3_bind_blob(statement_, next_++, bytes.data() == nullptr ? "" : bytes.data(),
                    static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  return *this;
}

std::string Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, bool read_only) {
  sqlite3* handle = nullptr;
  const int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int opened = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(handle));
  const auto refuse = [&](const std::string& what) {
    const bool full =
        sqlite3_errcode(handle) == SQLITE_FULL || sqlite3_system_errno(handle) == ENOSPC;
    return Error{full ? ErrorCode::kRetryable : ErrorCode::kInvalid,
                 "The checkpoint " + path + " " + what + ": " + sqlite3_errmsg(handle) +
                     ". Check the directory's permissions, free space and "
                     "file system; a damaged file must be restored or removed "
                     "(then every file is sent again)."};
  };
  if (opened != SQLITE_OK) return refuse("cannot be opened");
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, limits::kDatabaseBusyMs);
  if (!read_only && !database->run("PRAGMA journal_mode=WAL")) return refuse("cannot be used");
  if (!database->run("PRAGMA synchronous=FULL")) return refuse("cannot be used");
  if (database->pragma("PRAGMA synchronous") != kSynchronousFull) {
    return refuse("does not accept synchronous=FULL");
  }
  if (!database->pragma("PRAGMA schema_version")) return refuse("cannot be read");
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Statement Database::prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr);
  // Null if a damaged schema lacks a table or column: the first step fails then.
  return Statement(statement);
}

void Database::leave_log() const {
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Status Database::run(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok();
  return fail("The checkpoint cannot be changed");
}

Status Database::finish(Statement& statement) {
  if (statement.step() == SQLITE_DONE) return ok();
  return fail("The checkpoint cannot be written");
}

std::optional<int64_t> Database::pragma(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  std::optional<int64_t> value;
  if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    value = sqlite3_column_int64(statement, 0);
  }
  sqlite3_finalize(statement);
  return value;
}

Error Database::fail(const std::string& what) const {
  const int code = sqlite3_extended_errcode(handle_);
  const bool sync_failed = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
  const bool full = (code & 0xff) == SQLITE_FULL;
  if (sync_failed) leave_log();
  const bool damaged = (code & 0xff) == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  // Our statements fit our schema, so this database has another one, and a rebuild would keep it.
  const bool foreign = (code & 0xff) == SQLITE_ERROR;
  return {foreign                  ? ErrorCode::kInvalid
          : sync_failed || damaged ? ErrorCode::kFatal
                                   : ErrorCode::kRetryable,
          what + ": " + sqlite3_errmsg(handle_) + " (" + path() + ")" +
              (full                 ? "; delivery waits: free space on its file system."
               : damaged || foreign ? "; restore it, or remove it (then every file is sent again)."
                                    : ".")};
}

WriteTransaction::~WriteTransaction() {
  if (!open_) return;
  // If even the rollback fails, the connection's next BEGIN fails too and reports it.
  if (const Status rolled_back = database_.run("ROLLBACK"); !rolled_back) open_ = false;
}

Status WriteTransaction::begin() {
  const Status begun = database_.run("BEGIN IMMEDIATE");
  open_ = begun.has_value();
  return begun;
}

Status WriteTransaction::commit() {
  const Status committed = database_.run("COMMIT");
  if (committed) open_ = false;
  return committed;
}

}  // namespace longshore::checkpoint
