#include "tests/simulation/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <fstream>
#include <memory>

namespace longshore::simulation {
namespace {

using Step = std::function<void()>;

std::string json_entry(std::string text, uint64_t time) {
  if (text.ends_with('\n')) text.replace(text.size() - 1, 1, "\\n");
  const std::string ns = std::to_string(1'000'000'000 + time).substr(1);
  return R"({"log":")" + text + R"(","stream":"stdout","time":"2026-11-21T08:00:00.)" + ns +
         "Z\"}\n";
}

}  // namespace

Log::Log(LogOptions options, Timeline& timeline, VirtualFiles& files, DirectoryObserver& observer)
    : options_(std::move(options)),
      timeline_(timeline),
      files_(files),
      observer_(observer),
      source_(make_source_id(kHostId, options_.directory + "/" + options_.file_name,
                             options_.is_json ? "stdout" : "")) {}

void Log::directory_changed() {
  files_.changed(options_.root + options_.directory, timeline_.wall_ns());
}

Generation* Log::named(const std::string& name) {
  for (Generation& generation : generations_) {
    if (!generation.deleted && generation.file_name == name) return &generation;
  }
  return nullptr;
}

void Log::make_history() {
  for (const int number : {2, 1}) {
    const std::string name = rotated_name("." + std::to_string(number));
    std::ofstream(path(name)) << "history " << number << "\n";
    files_.made(path(name), timeline_.wall_ns() - 3600 * kSecond);
    ++numbered_;
  }
}

// "x.log.1", or "x.1.log".
std::string Log::rotated_name(const std::string& part) const {
  const std::string& name = options_.file_name;
  const size_t dot = options_.inside ? name.rfind('.') : name.size();
  return name.substr(0, dot) + part + name.substr(dot);
}

void Log::create() {
  std::string name = options_.file_name;
  if (options_.rotation == Rotation::kLinked) name += ".INFO." + std::to_string(++rotations_);
  writer_ = Fd(::open(path(name).c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644));
  assert(writer_);
  has_file_ = true;
  born_ns_ = timeline_.wall_ns();
  Generation& generation = generations_.emplace_back();
  generation.file_name = name;
  if (name != options_.file_name) note_name(name);
  generation.inode = files_.made(path(name), timeline_.wall_ns());
  directory_changed();
  timeline_.trace("{}/{}: created, inode {}", options_.directory, name, generation.inode);
  observer_.arrived(options_.directory, name, 0);
  if (options_.rotation == Rotation::kLinked) turn_link();
}

void Log::turn_link() {
  const std::string& target = generations_.back().file_name;
  const std::string fresh = options_.file_name + ".new";
  const bool made = ::symlink(target.c_str(), path(fresh).c_str()) == 0 &&
                    ::rename(path(fresh).c_str(), path(options_.file_name).c_str()) == 0;
  assert(made);
  directory_changed();
  timeline_.trace("{}/{}: links to {}", options_.directory, options_.file_name, target);
  observer_.arrived(options_.directory, options_.file_name, 0);
  named_once_.push_back(target);
  if (named_once_.size() <= options_.kept) return;
  unlink(named_once_.front());
  named_once_.pop_front();
}

void Log::append(const std::string& bytes) { append(bytes, bytes); }

void Log::append(const std::string& bytes, const std::string& truth) {
  if (!reopening_ && !has_file_) create();
  if (!reopening_ && !writer_) {
    writer_ = Fd(::open(path(options_.file_name).c_str(), O_APPEND | O_WRONLY | O_CLOEXEC));
  }
  Generation& to = reopening_ ? generations_[old_generation_] : generations_.back();
  const Fd& fd = reopening_ ? old_writer_ : writer_;
  assert(fd);
  const ssize_t wrote = ::write(fd.get(), bytes.data(), bytes.size());
  assert(wrote == static_cast<ssize_t>(bytes.size()));
  const size_t begin = to.bytes.size();
  to.bytes += truth;
  if (to.deleted && !to.held_deleted) to.excuse(begin);
  files_.changed(fd.get(), timeline_.wall_ns());
  timeline_.trace("{}/{}: {} bytes more, {}", options_.directory, to.file_name, wrote,
                  to.bytes.size());
  if (!to.deleted) observer_.grown(options_.directory, to.file_name);
}

// Every piece that a reader can see by itself holds the line's number.
std::string Log::make_line() {
  Random& random = timeline_.random();
  const std::string number =
      "<" + std::to_string(source_.value % 997) + "." + std::to_string(lines_++) + ">";
  size_t fill =
      static_cast<size_t>(random.magnitude(static_cast<int64_t>(options_.line_bytes_max)));
  if (random.chance(options_.oversized)) fill = 900'000 + random.below(1'500'000);
  std::string line = number;
  line.reserve(fill + 40);
  while (line.size() < fill) line += number + "abcdefghijklmnopqrstuvwxyz0123456789";
  line += number;
  return line + "\n";
}

void Log::append_entries(const std::string& text) {
  std::string entries;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = text.find('\n', begin) + 1;
    entries += json_entry(text.substr(begin, end - begin), ++entry_time_);
  }
  append(entries, text);
}

// A line that dockerd cuts. Each piece holds a number of its own.
std::string Log::make_cut_line() {
  Random& random = timeline_.random();
  const std::string number = std::to_string(source_.value % 997) + "." + std::to_string(lines_++);
  std::string line;
  for (int64_t piece = random.between(1, 5); piece > 0; --piece) {
    line += "<" + number + "." + std::to_string(piece) + ">";
    line.append(static_cast<size_t>(random.magnitude(500)), 'x');
  }
  return line + "\n";
}

void Log::append_piece() {
  size_t cut = unfinished_.size();
  if (timeline_.random().chance(0.8)) cut = std::min(cut, unfinished_.find('<', 1));
  const std::string piece = unfinished_.substr(0, cut);
  unfinished_.erase(0, cut);
  append(json_entry(piece, entry_time_), piece);
}

void Log::write() {
  Random& random = timeline_.random();
  if (!unfinished_.empty()) {
    options_.is_json ? append_piece() : finish_line();
    return;
  }
  std::string text;
  for (int64_t lines = random.magnitude(12); lines > 0; --lines) text += make_line();
  if (options_.is_json) {
    append_entries(text);
    if (!random.chance(0.15)) return;
    unfinished_ = make_cut_line();
    ++entry_time_;
    append_piece();
    return;
  }
  if (random.chance(0.15)) {
    const std::string line = make_line();
    const size_t cut = line.rfind('<');
    text += line.substr(0, cut);
    unfinished_ = line.substr(cut);
  }
  append(text);
}

void Log::end_line() {
  finish_line();
  // Half a line of an earlier run of the application ends where something follows it.
  if (options_.is_json) append_entries(make_line());
  if (reopening_ || options_.is_json) return;
  if (!has_file_) {
    excuse_half_line();
    return;
  }
  const Generation& last = generations_.back();
  // What a truncation or a power loss left ends with a whole line.
  if (!last.cuts.empty() && last.cuts.back() == last.bytes.size()) return;
  if (last.bytes.size() > last.file_begin && last.bytes.back() != '\n') append("\n");
}

// The half line of a rotated file behind which nothing came waits for its rest.
void Log::excuse_half_line() {
  const auto left = std::find_if(generations_.rbegin(), generations_.rend(),
                                 [](const Generation& each) { return !each.deleted; });
  if (left == generations_.rend()) return;
  const size_t begin = left->bytes.rfind('\n') + 1;
  left->excuse(begin);
  left->cuts.push_back(begin);
}

void Log::finish_line() {
  if (!options_.is_json && !unfinished_.empty()) append(std::exchange(unfinished_, {}));
  while (!unfinished_.empty()) append_piece();
}

void Log::play(std::vector<Step> steps) {
  busy_ = true;
  const uint64_t script = ++script_;
  int64_t when = timeline_.now();
  for (Step& step : steps) {
    timeline_.at(when, [this, script, step = std::move(step)] {
      if (script == script_) step();
    });
    when += timeline_.random().magnitude(timeline_.random().chance(0.1) ? 200 * kMs : 2 * kMs);
  }
}

void Log::note_name(const std::string& name) {
  rotated_sources_.insert(
      make_source_id(kHostId, options_.directory + "/" + name, options_.is_json ? "stdout" : ""));
}

void Log::rename(const std::string& from, const std::string& to) {
  if (::rename(path(from).c_str(), path(to).c_str()) != 0) return;
  if (Generation* moved = named(from)) moved->file_name = to;
  note_name(to);
  files_.renamed(path(to), timeline_.wall_ns());
  directory_changed();
  const auto cookie = static_cast<uint32_t>(1 + timeline_.random().below(1 << 30));
  timeline_.trace("{}: {} is renamed to {}", options_.directory, from, to);
  observer_.left(options_.directory, from, cookie);
  observer_.arrived(options_.directory, to, cookie);
}

void Log::unlink(const std::string& name) {
  if (::unlink(path(name).c_str()) != 0) return;
  directory_changed();
  if (Generation* gone = named(name)) {
    gone->deleted = true;
    destroyed_ = true;
    gone->held_deleted = observer_.opened_in_life(gone->inode);
    timeline_.trace("{}: {} is deleted{}", options_.directory, name,
                    gone->held_deleted ? ", the agent holds it" : "");
    if (!gone->held_deleted) gone->excuse(gone->file_begin);
  }
  observer_.left(options_.directory, name, 0);
}

void Log::begin_shift(std::vector<Step>& steps) {
  const char* const suffix = options_.rotation == Rotation::kCompressed ? ".gz" : "";
  const auto name = [&](size_t number) {
    return rotated_name("." + std::to_string(number)) + suffix;
  };
  if (numbered_ >= options_.kept) {
    steps.push_back([this, oldest = name(numbered_--)] { unlink(oldest); });
  }
  for (size_t number = numbered_; number > 0; --number) {
    steps.push_back([this, from = name(number), to = name(number + 1)] { rename(from, to); });
  }
  ++numbered_;
}

void Log::move_away(const std::string& to) {
  if (!writer_) append("");
  old_writer_ = std::move(writer_);
  old_generation_ = generations_.size() - 1;
  reopening_ = true;
  has_file_ = false;
  if (!to.empty()) rename(options_.file_name, to);
}

// The application opens its log anew.
void Log::switch_over() {
  if (!options_.is_json) finish_line();
  reopening_ = false;
  old_writer_.reset();
  if (!has_file_) create();
  busy_ = false;
}

// The rotated file, which nobody writes any more.
void Log::compress() {
  const std::string from = rotated_name(".1"), to = from + ".gz";
  Generation* const rotated = named(from);
  if (rotated == nullptr) return;
  gzFile file = ::gzopen(path(to).c_str(), "wb");
  const int wrote = ::gzwrite(file, rotated->bytes.data(), unsigned(rotated->bytes.size()));
  const bool done = ::gzclose(file) == Z_OK && wrote == static_cast<int>(rotated->bytes.size());
  assert(done);
  rotated->inode = files_.made(path(to), timeline_.wall_ns());
  rotated->file_name = to;
  static_cast<void>(::unlink(path(from).c_str()));
  directory_changed();
  timeline_.trace("{}: {} is compressed to {}", options_.directory, from, to);
  observer_.arrived(options_.directory, to, 0);
  observer_.left(options_.directory, from, 0);
  busy_ = false;
}

void Log::copy_to(const std::string& name) {
  const Generation& from = generations_.back();
  std::ofstream(path(name)) << from.bytes.substr(from.file_begin);
  files_.made(path(name), timeline_.wall_ns());
  note_name(name);
  directory_changed();
  copied_ = true;
  timeline_.trace("{}: {} is copied to {}", options_.directory, options_.file_name, name);
  observer_.arrived(options_.directory, name, 0);
  observer_.grown(options_.directory, name);
}

void Log::truncate() {
  Generation& cut = generations_.back();
  static_cast<void>(::truncate(path(options_.file_name).c_str(), 0));
  destroyed_ = true;
  copied_ = false;
  cut.excuse(cut.file_begin);
  cut.file_begin = cut.bytes.size();
  cut.cuts.push_back(cut.file_begin);
  files_.changed(path(options_.file_name), timeline_.wall_ns());
  timeline_.trace("{}/{}: truncated", options_.directory, options_.file_name);
  observer_.grown(options_.directory, options_.file_name);
  busy_ = false;
}

// An application that starts anew and dies in the same way: its log has another beginning, but
// often the same size, and always the same end.
void Log::rewrite() {
  const std::string frame =
      "    at com.example.shop.Main.main(Main.java:42) ~[shop.jar:1.0] of the very same stack\n";
  const Generation& old = generations_.back();
  const size_t size = old.bytes.size() - old.file_begin;
  truncate();
  std::string text = make_line();
  if (text.size() + frame.size() < size) {
    text.pop_back();
    text.append(size - frame.size() - text.size() - 1, '.');
    text += '\n';
  }
  append(text + frame);
}

void Log::rotate() {
  if (busy_ || !has_file_ || options_.rotation == Rotation::kNone) return;
  std::vector<Step> steps;
  if (options_.rotation == Rotation::kRewritten) {
    finish_line();
    rewrite();
    return;
  }
  if (options_.rotation == Rotation::kCopyTruncate) {
    // Which is the copy, its time of birth says: not when the clock was set back meanwhile.
    if (timeline_.wall_ns() <= born_ns_) return;
    begin_shift(steps);
    steps.push_back([this] { copy_to(rotated_name(".1")); });
    steps.push_back([this] { truncate(); });
    play(std::move(steps));
    return;
  }
  if (options_.rotation == Rotation::kCompressed) compress();  // What a dead rotator left.
  std::string to;
  if (options_.rotation == Rotation::kShifted || options_.rotation == Rotation::kCompressed) {
    to = rotated_name(".1");
    begin_shift(steps);
  } else if (options_.rotation != Rotation::kLinked) {
    ++rotations_;
    to = rotated_name(options_.rotation == Rotation::kDated
                          ? "-" + std::to_string(2026112100 + rotations_)
                          : "." + std::to_string(rotations_));
    if (named_once_.size() >= options_.kept) {
      steps.push_back([this, oldest = named_once_.front()] { unlink(oldest); });
      named_once_.pop_front();
    }
    named_once_.push_back(to);
  }
  steps.push_back([this, to] { move_away(to); });
  const bool is_linked = options_.rotation == Rotation::kLinked;
  const bool made_at_once = is_linked || timeline_.random().chance(0.5);
  if (made_at_once) steps.push_back([this] { create(); });
  const int64_t wait = timeline_.random().between(0, options_.reopen_ns_max);
  steps.push_back([this, wait, script = script_ + 1] {
    timeline_.at(timeline_.now() + wait, [this, script] {
      if (script != script_) return;
      switch_over();
      if (options_.rotation != Rotation::kCompressed) return;
      busy_ = true;
      timeline_.at(timeline_.now() + timeline_.random().magnitude(kSecond), [this, script] {
        if (script == script_) compress();
      });
    });
  });
  play(std::move(steps));
}

void Log::remove() {
  // Where its log is gone, a copy cannot be told from a generation.
  if (busy_ || !has_file_ || options_.rotation == Rotation::kCopyTruncate) return;
  if (options_.rotation == Rotation::kLinked) return;
  if (is_beside_) return;
  // What lives for less than that may pass for a pause between two files.
  if (timeline_.wall_ns() < born_ns_ + 2 * kSecond) return;
  close();
  unlink(options_.file_name);
  has_file_ = false;
}

void Log::close() {
  ++script_;
  busy_ = reopening_ = false;
  copied_twice_ |= std::exchange(copied_, false);
  writer_.reset();
  old_writer_.reset();
  if (!unfinished_.empty() && !generations_.empty()) {
    generations_.back().run_ends.push_back(generations_.back().bytes.size());
  }
  unfinished_.clear();
}

void Log::remove_all() {
  close();
  std::vector<std::string> names;
  for (const Generation& generation : generations_) {
    if (!generation.deleted) names.push_back(generation.file_name);
  }
  for (const std::string& name : names) unlink(name);
  if (options_.rotation == Rotation::kLinked) unlink(options_.file_name);
  has_file_ = false;
}

void Log::lose_power() {
  close();
  if (!has_file_ || options_.is_json || options_.rotation == Rotation::kCopyTruncate) return;
  Generation& cut = generations_.back();
  const size_t floor = std::max(cut.file_begin, cut.cuts.empty() ? 0 : cut.cuts.back());
  const size_t size = cut.bytes.size() - floor;
  if (size == 0 || cut.deleted) return;
  // At the end of a line: half a line and what is written next would be a line that nobody wrote.
  const auto wanted = static_cast<size_t>(timeline_.random().magnitude(static_cast<int64_t>(size)));
  const size_t newline = cut.bytes.rfind('\n', cut.bytes.size() - wanted);
  const bool any = newline != std::string::npos && newline >= floor;
  const size_t lost = cut.bytes.size() - (any ? newline + 1 : floor);
  if (lost == 0) return;
  destroyed_ = lost_power_ = true;
  cut.excuse(cut.bytes.size() - lost);
  cut.cuts.push_back(cut.bytes.size() - lost);
  cut.cuts.push_back(cut.bytes.size());
  struct stat stat {};
  const std::string file = path(options_.file_name);
  if (::stat(file.c_str(), &stat) != 0) return;
  static_cast<void>(::truncate(file.c_str(), stat.st_size - static_cast<off_t>(lost)));
  const bool zeros = timeline_.random().chance(0.5);
  if (zeros) static_cast<void>(::truncate(file.c_str(), stat.st_size));
  files_.changed(file, timeline_.wall_ns());
  timeline_.trace("{}/{}: the last {} bytes are {}", options_.directory, options_.file_name, lost,
                  zeros ? "zeros" : "gone");
}

void Log::opened(uint64_t inode) {
  for (Generation& generation : generations_) {
    if (generation.inode == inode) generation.ever_opened = true;
  }
}

void Log::life_ended() {
  for (Generation& generation : generations_) {
    if (std::exchange(generation.held_deleted, false)) generation.excuse(generation.file_begin);
  }
}

}  // namespace longshore::simulation
