#include "tests/simulation/verdict.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "shipper/record/record_encoder.h"
#include "shipper/record/record_view.h"
#include "tests/simulation/ledger_view.h"
#include "tests/simulation/world.h"

namespace longshore::simulation {
namespace {

struct Delivered {
  uint64_t start = 0, end = 0;
  std::string bytes;  // As the application wrote them.
  bool unterminated = false;
};

// One log's truth as one string, with what is known of its parts.
struct Truth {
  explicit Truth(const Log& log) {
    for (const Generation& generation : log.generations()) {
      const size_t begin = bytes.size();
      segments.insert(begin);
      for (const size_t cut : generation.cuts) {
        segments.insert(begin + cut);
        cuts.insert(begin + cut);
      }
      for (const size_t end : generation.run_ends) run_ends.insert(begin + end);
      for (const auto& excused_range : generation.excused) {
        excused.push_back({begin + excused_range.begin, begin + excused_range.end});
      }
      bytes += generation.bytes;
    }
  }
  bool is_excused(size_t begin, size_t end) const {
    for (size_t at = begin; at < end;) {
      size_t next = at;
      for (const auto& range : excused) {
        if (range.begin <= at && range.end > next) next = range.end;
      }
      if (next == at) return false;
      at = next;
    }
    return true;
  }
  // Whether what stands at `at` belongs to the same file as what stands before it.
  bool goes_on(size_t at) const { return at > 0 && !segments.contains(at); }

  // Whether what stands in [begin, end) is all that one file held until it was truncated.
  bool is_cut(size_t begin, size_t end) const {
    const auto next = segments.upper_bound(begin);
    return !goes_on(begin) && cuts.contains(end) &&
           std::all_of(next, segments.upper_bound(end),
                       [&](size_t at) { return cuts.contains(at); });
  }

  std::string bytes;
  std::set<size_t> segments, cuts, run_ends;
  std::vector<Generation::Excused> excused;
};

std::string file_bytes(const shipper::RecordView& record) {
  const bool within = record.part.has_value() && !record.last_part;
  const bool open = (record.flags & shipper::kFlagUnterminated) != 0;
  return std::string(record.text) + (within || open ? "" : "\n");
}

std::string range(uint64_t start, uint64_t end) {
  return "[" + std::to_string(start) + ", " + std::to_string(end) + ")";
}

/// One source against its log.
class SourceCheck {
 public:
  SourceCheck(const Log& log, const std::vector<LedgerLine>& ledger, bool went_back, bool unnoticed,
              bool strict, std::optional<uint64_t> ended)
      : log_(log),
        truth_(log),
        ledger_(ledger),
        went_back_(went_back),
        unnoticed_(unnoticed),
        strict_(strict),
        ended_(ended),
        name_(log.options().directory + "/" + log.options().file_name) {}

  // What the broker took back may be missing, if the ledger says so. The parts of a long line look
  // alike: those near the record's range count.
  void excuse(const Delivered& record) {
    constexpr uint64_t kNear = 1 << 16;
    const std::string bytes =
        record.bytes.substr(std::min(record.bytes.find_first_not_of('\0'), record.bytes.size()));
    if (bytes.empty()) return;
    size_t at = truth_.bytes.find(bytes, record.start - std::min(record.start, kNear));
    if (at == std::string::npos) at = truth_.bytes.find(bytes);
    while (at != std::string::npos) {
      truth_.excused.push_back({at, at + bytes.size()});
      taken_back_.push_back({at, at + bytes.size()});
      at = at < record.start + kNear ? truth_.bytes.find(bytes, at + 1) : std::string::npos;
    }
  }

  // A record of a rotated file that was seen before its log, or without it: that is a log of its
  // own.
  void take_elsewhere(const Delivered& record) {
    const size_t at = truth_.bytes.find(record.bytes);
    if (at == std::string::npos) fail("nobody wrote " + record.bytes);
    const Generation::Excused range{at, at + record.bytes.size()};
    if (is_elsewhere(range)) fail("sent twice, as two logs: " + record.bytes.substr(0, 60));
    truth_.excused.push_back(range);
    elsewhere_.push_back(range);
    // Half a line at the file's end waits for its rest.
    const auto next = truth_.segments.upper_bound(at);
    const size_t end = next == truth_.segments.end() ? truth_.bytes.size() : *next;
    if (truth_.bytes.find('\n', range.end) < end) return;
    truth_.excused.push_back({range.end, end});
    elsewhere_.push_back({range.end, end});
  }

  void take(Delivered record) {
    // Zeros that a power loss left are in the file, if nobody wrote them.
    const size_t zeros = record.bytes.find_first_not_of('\0');
    if (zeros > 0) {
      record.bytes.erase(0, zeros);
      zeros_ = true;
      if (record.bytes.empty()) {
        end_ = record.end;
        return;
      }
    }
    // The parts of a long line look alike: a record that comes again is known by its range.
    const bool again = std::any_of(taken_.begin(), taken_.end(), [&](const Delivered& each) {
      return each.start == record.start && each.end == record.end && each.bytes == record.bytes;
    });
    if (again && is_doubted(record)) return;
    // Short lines look alike as well: where ranges leave room, what is missing has its length.
    const size_t leap = cursor_ + (record.start - std::min(record.start, end_));
    const bool leaps = !log_.options().is_json && leap > cursor_ && stands_at(leap, record.bytes);
    if (!leaps && stands_at(cursor_, record.bytes)) {
      meet(record, false);
      if (is_elsewhere({cursor_, cursor_ + record.bytes.size()})) {
        fail("sent twice, as two logs: " + record.bytes.substr(0, 60));
      }
      cursor_ += record.bytes.size();
      check_runs(record);
    } else if (const size_t at = leaps ? leap : truth_.bytes.find(record.bytes, cursor_);
               at != std::string::npos) {
      missing(at, record.start);
      meet(record, true);
      cursor_ = at + record.bytes.size();
    } else if (const size_t before = truth_.bytes.find(record.bytes); before != std::string::npos) {
      if (!log_.copied_twice() && !is_doubted(record)) {
        fail("sent twice or out of order: " + range(record.start, record.end) + " " +
             record.bytes.substr(0, 60));
      }
      cursor_ = std::max(cursor_, before + record.bytes.size());
    } else {
      fail("nobody wrote " + range(record.start, record.end) + " " + record.bytes.substr(0, 80));
    }
    end_ = record.end;
    any_ = true;
    taken_.push_back(std::move(record));
  }

  void finish(uint64_t covered) {
    if (cursor_ < truth_.bytes.size()) missing(truth_.bytes.size(), UINT64_MAX);
    if (!went_back_ && any_ && tile(end_, covered) != covered) {
      fail("the checkpoint has " + std::to_string(covered) + ", the last record and the ledger " +
           std::to_string(tile(end_, covered)));
    }
  }

 private:
  bool stands_at(size_t at, const std::string& bytes) const {
    return at <= truth_.bytes.size() && truth_.bytes.compare(at, bytes.size(), bytes) == 0;
  }

  [[noreturn]] void fail(std::string what) const {
    for (const LedgerLine& line : ledger_) {
      if (line.source != log_.source()) continue;
      what += "\n    " + line.event + " " + range(line.start, line.end) + " " + line.reason;
    }
    throw Violation{name_ + ": " + what};
  }

  bool is_doubted(const Delivered& record) const {
    return std::any_of(ledger_.begin(), ledger_.end(), [&](const LedgerLine& line) {
      const bool ours = line.source == log_.source() || line.source == SourceId{};
      if (!ours || line.event != "doubt" || line.reason == "truncated?") return false;
      // Half a line that was sent before the power was lost may stand in a whole one now.
      if (log_.lost_power()) return true;
      const auto in_line = [&](const Delivered& each) {
        return line.start <= each.start && each.end <= line.end;
      };
      if (line.start == line.end || in_line(record) || went_back_) return true;
      // After a power loss the range is where the same bytes stood before.
      const auto first = std::find_if(taken_.begin(), taken_.end(), [&](const Delivered& each) {
        return each.bytes == record.bytes;
      });
      return first != taken_.end() && in_line(*first);
    });
  }

  // A line that dockerd cut ends with its newline or its run, and nowhere else.
  void check_runs(const Delivered& record) const {
    if (!log_.options().is_json || went_back_) return;
    const size_t begin = cursor_ - record.bytes.size();
    const auto end = truth_.run_ends.upper_bound(begin);
    if (end != truth_.run_ends.end() && *end < cursor_) fail("two runs in one record");
    const bool may_end = truth_.run_ends.contains(cursor_) || cursor_ == truth_.bytes.size() ||
                         truth_.is_excused(cursor_, cursor_ + 1);
    const bool is_doubted = std::ranges::any_of(ledger_, [&](const LedgerLine& line) {
      return line.source == log_.source() && line.event == "doubt" && line.start == record.end;
    });
    if (record.unterminated && !may_end && !is_doubted) {
      fail("a line ends before its end: " + range(record.start, record.end));
    }
  }

  // How far ranges of the ledger reach, one after the other, from `from` on.
  uint64_t tile(uint64_t from, uint64_t limit) const {
    for (bool found = true; found && from < limit;) {
      found = false;
      for (const LedgerLine& line : ledger_) {
        if (line.source != log_.source() || line.event != "lost") continue;
        if (line.start > from || line.end <= from) continue;
        from = line.end;
        found = true;
      }
    }
    return from;
  }

  void missing(size_t until, uint64_t next_start) {
    if (!truth_.is_excused(cursor_, until) && !lost_begun_line(until)) {
      fail("lost: bytes " + range(cursor_, until) + " of what was written, behind position " +
           std::to_string(end_) + ": " + truth_.bytes.substr(cursor_, 60));
    }
    if (missing_bytes(until) == 0) return;
    // What a power loss took of what nobody had read yet, nobody knows of.
    if (std::exchange(zeros_, false) || log_.lost_power()) return;
    const bool was_there =
        std::any_of(taken_back_.begin(), taken_back_.end(),
                    [&](const auto& each) { return each.begin < until && each.end > cursor_; });
    if (!any_) return;
    // Nobody knows how long a generation was that came and went unseen: a doubt will do.
    const bool is_unseen = !truth_.goes_on(cursor_) && !was_there;
    if (is_unseen && !strict_) return;
    // Nor of a file that was made and deleted between two looks, if no other came after it.
    if (is_unseen && next_start == UINT64_MAX) return;
    // Nor of what a file held before anything of it was read.
    if (is_unseen && truth_.is_cut(cursor_, until)) return;
    if (was_there && unnoticed_) return;
    // What an ended source got while no agent could store that it goes on, and what took it away as
    // well, nobody knows.
    if (ended_ == end_ && until == truth_.bytes.size()) return;
    const bool said = std::any_of(ledger_.begin(), ledger_.end(), [&](const LedgerLine& line) {
      if (went_back_ && line.is_kept()) return true;
      if (line.source != log_.source()) return false;
      const bool may_doubt = is_unseen || line.reason == "truncated?";
      if (may_doubt && line.event == "doubt") return line.start <= next_start && line.end >= end_;
      return line.event == "lost" && line.start >= end_ && line.end <= next_start;
    });
    if (!said) {
      fail("lost in silence: bytes " + range(cursor_, until) + " behind position " +
           std::to_string(end_));
    }
  }

  // The pieces of a line whose rest was in a file that is gone: nobody knows any more where they
  // were to be shipped to.
  bool lost_begun_line(size_t until) const {
    const size_t rest = std::min(until, truth_.bytes.find('\n', cursor_));
    return log_.options().is_json && truth_.is_excused(rest, until) &&
           std::ranges::any_of(ledger_, [&](const LedgerLine& line) {
             return line.source == log_.source() && line.reason == "deleted" &&
                    line.start == end_ && line.end > end_;
           });
  }

  bool is_elsewhere(Generation::Excused range) const {
    return std::ranges::any_of(elsewhere_, [&](const Generation::Excused& each) {
      return each.begin < range.end && each.end > range.begin;
    });
  }

  // What is missing before `until` but for what came as another log.
  size_t missing_bytes(size_t until) const {
    size_t bytes = until - cursor_;
    for (const Generation::Excused& each : elsewhere_) {
      if (each.begin >= cursor_ && each.end <= until) bytes -= each.end - each.begin;
    }
    return bytes;
  }

  void meet(const Delivered& record, bool gap) const {
    const bool first = !any_;
    if (went_back_ || (first && record.start == 0)) return;
    if (record.start == end_) return;
    if (tile(end_, record.start) == record.start && record.start > end_) {
      if (!gap && !log_.destroyed()) {
        fail("the ledger loses " + range(end_, record.start) + ", but nothing is missing");
      }
      return;
    }
    if (is_doubted(record)) return;
    fail("ranges do not meet: " + std::to_string(end_) + " and " + range(record.start, record.end));
  }

  const Log& log_;
  Truth truth_;
  const std::vector<LedgerLine>& ledger_;
  const bool went_back_;
  const bool unnoticed_;                 // What the broker took back, nobody can know of.
  const bool strict_;                    // See Habits.
  const std::optional<uint64_t> ended_;  // Where the checkpoint says that it ended.
  const std::string name_;
  std::vector<Generation::Excused> taken_back_;
  std::vector<Generation::Excused> elsewhere_;  // What came as another log.
  std::vector<Delivered> taken_;
  size_t cursor_ = 0;
  uint64_t end_ = 0;
  bool any_ = false, zeros_ = false;
};

// Of each ended source, from Kafka's ledger alone: total == delivered + lost.
void check_balance(const std::map<SourceId, std::vector<Delivered>>& delivered,
                   const std::vector<LedgerLine>& shipped) {
  std::map<SourceId, uint64_t> totals;
  std::map<SourceId, std::map<uint64_t, uint64_t>> parts;
  for (const LedgerLine& line : shipped) {
    if (line.event == "ended") totals[line.source] = line.end;
    if (line.event != "ended" && line.event != "lost" && line.event != "doubt") {
      totals.erase(line.source);
    }
    if (line.event == "lost" && line.end > line.start) {
      parts[line.source][line.start] = std::max(parts[line.source][line.start], line.end);
    }
  }
  for (const auto& [source, records] : delivered) {
    for (const Delivered& record : records) {
      if (record.end > record.start) parts[source][record.start] = record.end;
    }
  }
  for (const auto& [source, total] : totals) {
    uint64_t at = 0;
    for (const auto& [start, end] : parts[source]) {
      if (start > at) break;
      at = std::max(at, end);
    }
    if (at < total) {
      throw Violation{"the ledger does not balance: source " + to_string(source) + " ended at " +
                      std::to_string(total) + ", accounted for are " + std::to_string(at)};
    }
  }
}

}  // namespace

size_t count_data(const World& world) {
  const auto& all = world.broker().committed();
  return static_cast<size_t>(std::count_if(
      all.begin(), all.end(), [](const Committed& each) { return each.where.topic == kTopic; }));
}

void check_checkpoint(World& world) {
  const auto record = world.store().lane(LaneId{});
  if (!record) throw Violation{"the checkpoint cannot be read: " + record.error().message};
  if (world.broker().went_back()) return;
  const uint64_t confirmed = record.value().confirmed.value;
  const uint64_t kafka = world.broker().number();
  const uint64_t prepared = record.value().prepared.value_or(record.value().confirmed).value;
  if (confirmed > kafka || kafka > prepared) {
    throw Violation{"the checkpoint has " + std::to_string(confirmed) + " confirmed and " +
                    std::to_string(prepared) + " prepared, the broker " + std::to_string(kafka)};
  }
  std::map<SourceId, uint64_t> ends;
  shipper::RecordParser parser;
  for (const Committed& each : world.broker().committed()) {
    if (each.where.topic != kTopic || each.number > confirmed) continue;
    const auto view = parser.parse(each.value);
    if (view) ends[view->source] = view->end.bytes;
  }
  for (const LedgerLine& line : read_ledger(world)) {
    if (line.event == "lost") ends[line.source] = std::max(ends[line.source], line.end);
  }
  const auto sources = world.store().sources(LaneId{});
  if (!sources) throw Violation{"the checkpoint cannot be read: " + sources.error().message};
  for (const auto& [row, state] : sources.value()) {
    if (state.covered.bytes > ends[row.id]) {
      throw Violation{row.host_path + ": the checkpoint stands at " +
                      std::to_string(state.covered.bytes) + ", delivered and lost are " +
                      std::to_string(ends[row.id])};
    }
  }
}

void check_end(World& world) {
  const std::vector<LedgerLine> ledger = read_ledger(world);
  const bool went_back = world.broker().went_back();
  std::map<SourceId, const Log*> logs;
  for (const auto& log : world.logs()) logs[log->source()] = log.get();
  std::map<SourceId, std::vector<Delivered>> delivered, taken_back;
  shipper::RecordParser parser;
  const auto sort_in = [&](const std::vector<Committed>& all, auto& into) {
    for (const Committed& each : all) {
      if (each.where.topic != kTopic) continue;
      const auto view = parser.parse(each.value);
      if (!view) throw Violation{"no record: " + each.value.substr(0, 80)};
      if (to_string(view->source) != each.key) throw Violation{"another key: " + each.key};
      into[view->source].push_back({view->start.bytes, view->end.bytes, file_bytes(*view),
                                    (view->flags & shipper::kFlagUnterminated) != 0});
    }
  };
  sort_in(world.broker().committed(), delivered);
  sort_in(world.broker().lost(), taken_back);
  std::set<SourceId> accounted;
  for (const auto& [source, log] : logs) {
    accounted.insert(source);
    const auto stored = world.store().source(source);
    if (!stored) throw Violation{"the checkpoint cannot be read"};
    const auto state = stored.value() ? stored.value()->state : checkpoint::SourceState{};
    SourceCheck check(*log, ledger, went_back, world.broker().lost_unnoticed(),
                      world.habits().strict,
                      state.ended ? std::optional(state.covered.bytes) : std::nullopt);
    for (const Delivered& record : taken_back[source]) check.excuse(record);
    for (const SourceId rotated : log->rotated_sources()) {
      if (logs.contains(rotated)) continue;
      for (const Delivered& record : delivered[rotated]) check.take_elsewhere(record);
      accounted.insert(rotated);
    }
    for (const Delivered& record : delivered[source]) check.take(record);
    check.finish(state.covered.bytes);
  }
  for (const auto& [source, records] : delivered) {
    if (!accounted.contains(source)) throw Violation{"an unknown source " + to_string(source)};
  }
  if (went_back || world.plan().agent.lane.ledger_topic.empty()) return;
  check_shipped_once(world);
  check_balance(delivered, shipped_ledger(world));
}

}  // namespace longshore::simulation
