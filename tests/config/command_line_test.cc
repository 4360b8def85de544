// Goal: a flag, a variable and a line of the file mean the same. The place with the highest
// precedence replaces the others completely. A setting that cannot be used is refused with one
// sentence that says where it stands and what to write instead.
// Method: a small command of the test's own, given its settings in every way.

#include "config/command_line.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/fakes/temporary_dir.h"

namespace longshore {
namespace {

using Strings = std::vector<std::string>;

enum class Colour { kRed, kGreen };

struct Paint {
  std::string name = "wall";
  Strings tag, words;
  bool dry = false;
  int coats = 2;
  std::optional<uint32_t> seed;
  uint64_t area = 4 << 20;
  Colour colour = Colour::kRed;
};

// The command `paint`, whose variables others may share unless it refuses near ones.
class PaintCommand {
 public:
  explicit PaintCommand(bool refuse_near = false, bool words = false)
      : line({"paint", "Paints.", "  longshore paint\n", refuse_near}) {
    line.text("name", &paint.name, "NAME", "Paint this.");
    line.list("tag", &paint.tag, "TAG", "Write this on it.");
    line.toggle("dry-run", &paint.dry, "Only say so.");
    line.section("Paint");
    line.number("coats", &paint.coats, {1, 9}, "N", "This often.");
    line.number("seed", &paint.seed, {0, 7}, "N", "Drops of chance.");
    line.bytes("area", &paint.area, {1, 1 << 30}, "How much.");
    line.choice<Colour>("colour", &paint.colour, {{"red", Colour::kRed}, {"green", Colour::kGreen}},
                        "Which.");
    if (words) line.words(&paint.words, "WORD..");
  }

  Paint accept(const Strings& arguments, const Environment& environment = {}) {
    const auto parsed = line.parse(arguments, environment);
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    return paint;
  }
  std::string refuse(const Strings& arguments, const Environment& environment = {}) {
    const auto parsed = line.parse(arguments, environment);
    if (parsed) return "accepted";
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    return parsed.error().message;
  }

  CommandLine line;
  Paint paint;
};

Paint accepted(const Strings& arguments, const Environment& environment = {}) {
  return PaintCommand().accept(arguments, environment);
}
std::string refused(const Strings& arguments, const Environment& environment = {}) {
  return PaintCommand().refuse(arguments, environment);
}

class CommandLineFile : public testing::Test {
 protected:
  std::string file(const std::string& text) {
    const std::string path = dir_.path() + "/" + std::to_string(++files_) + ".conf";
    std::ofstream(path) << text;
    return path;
  }

 private:
  const fakes::TemporaryDir dir_;
  int files_ = 0;
};

TEST(CommandLine, fields_keep_their_defaults) {
  const Paint paint = accepted({});
  EXPECT_EQ(paint.name, "wall");
  EXPECT_EQ(paint.coats, 2);
  EXPECT_FALSE(paint.seed);
  EXPECT_EQ(paint.area, 4u << 20);
  EXPECT_EQ(paint.colour, Colour::kRed);
  EXPECT_FALSE(paint.dry);
}

TEST_F(CommandLineFile, every_kind_of_flag_means_the_same_in_all_three_places) {
  const std::string config = file(
      "name = door\ntag = a=1\ntag = b\ndry-run = yes\ncoats = 3\n"
      "seed = 0\narea = 2k\ncolour = green\n");
  for (const Paint& paint :
       {accepted({"--name=door", "--tag", "a=1", "--tag=b", "--dry-run", "--coats", "3", "--seed=0",
                  "--area=2k", "--colour=green"}),
        accepted({}, {{"LONGSHORE_NAME", "door"},
                      {"LONGSHORE_TAG", "a=1\n\n b \n"},
                      {"LONGSHORE_DRY_RUN", "1"},
                      {"LONGSHORE_COATS", "3"},
                      {"LONGSHORE_SEED", "0"},
                      {"LONGSHORE_AREA", "2k"},
                      {"LONGSHORE_COLOUR", "green"}}),
        accepted({"--config", config}), accepted({}, {{"LONGSHORE_CONFIG", config}})}) {
    EXPECT_EQ(paint.name, "door");
    EXPECT_EQ(paint.tag, Strings({"a=1", "b"}));
    EXPECT_TRUE(paint.dry);
    EXPECT_EQ(paint.coats, 3);
    EXPECT_EQ(paint.seed, 0u);
    EXPECT_EQ(paint.area, 2048u);
    EXPECT_EQ(paint.colour, Colour::kGreen);
  }
}

TEST_F(CommandLineFile, a_flag_beats_a_variable_and_a_variable_the_file_and_lists_are_not_joined) {
  const std::string config = "--config=" + file("name = file\ntag = file\ncoats = 9\n");
  const Environment environment = {{"LONGSHORE_NAME", "variable"}, {"LONGSHORE_TAG", "variable"}};
  EXPECT_EQ(accepted({config, "--name=flag"}, environment).name, "flag");
  EXPECT_EQ(accepted({config}, environment).name, "variable");
  EXPECT_EQ(accepted({config}).name, "file");
  EXPECT_EQ(accepted({config, "--tag=flag"}, environment).tag, Strings({"flag"}));
  EXPECT_EQ(accepted({config}, environment).tag, Strings({"variable"}));
  EXPECT_EQ(accepted({config, "--name=flag"}, environment).coats, 9);
}

TEST_F(CommandLineFile, a_refusal_names_the_place_and_the_remedy) {
  const std::string config = file("# paint\ncoats = 10\n");
  EXPECT_EQ(refused({"--coats=10"}), "--coats=10 is not usable: give a number from 1 to 9.");
  EXPECT_EQ(refused({}, {{"LONGSHORE_COATS", "x"}}),
            "LONGSHORE_COATS=x is not usable: give a number from 1 to 9.");
  EXPECT_EQ(refused({"--config", config}),
            config + ":2: coats = 10 is not usable: give a number from 1 to 9.");
  EXPECT_EQ(refused({"--seed=8"}), "--seed=8 is not usable: give a number from 0 to 7.");
  EXPECT_EQ(refused({"--area=1T"}),
            "--area=1T is not usable: give a size from 1 to 1G, such as 2M.");
  EXPECT_EQ(refused({"--colour=blue"}), "--colour=blue is not usable: use one of red, green.");
  EXPECT_EQ(refused({}, {{"LONGSHORE_DRY_RUN", "maybe"}}),
            "LONGSHORE_DRY_RUN=maybe is not usable: write true or false.");
  EXPECT_EQ(refused({"--name=a", "--name=b"}),
            "--name=b is not usable: it is given twice; keep one.");
  EXPECT_EQ(refused({"--config", file("name = a\n\nname = b\n")}).substr(config.size()),
            ":3: name = b is not usable: it is given twice; keep one.");
  EXPECT_NE(refused({"--dry-run", "--dry-run"}).find("twice"), std::string::npos);
}

TEST_F(CommandLineFile, quotation_marks_around_a_value_are_not_part_of_it) {
  for (const char* text : {"name = \"front door\"\ncoats = '3'\ntag = \"a\"\ntag='b'\n",
                           "name=  'front door'  \r\ncoats=\"3\"\ntag=a\ntag=b\n"}) {
    const Paint paint = accepted({"--config", file(text)});
    EXPECT_EQ(paint.name, "front door");
    EXPECT_EQ(paint.coats, 3);
    EXPECT_EQ(paint.tag, Strings({"a", "b"}));
  }
  EXPECT_EQ(accepted({"--config", file("name = \"\"quoted\"\"\n")}).name, "\"quoted\"");
  EXPECT_EQ(accepted({"--config", file("name = it's 5\"\n")}).name, "it's 5\"");
  EXPECT_EQ(accepted({"--config", file("name = \"\"\n")}).name, "");
  EXPECT_EQ(accepted({"--name=\"x\""}).name, "\"x\"") << "the shell has taken its own off";
  for (const char* text :
       {"name = \"door", "name = 'door\"", "name = \"", "name = \"a\" # paint"}) {
    const std::string path = file(text);
    EXPECT_EQ(refused({"--config", path}),
              path +
                  ":1: the quotation mark that begins the value does not end it; put the whole "
                  "value in quotation marks, or nothing of it.");
  }
}

TEST(CommandLine, a_complaint_stays_on_one_line_and_controls_no_terminal) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(complain("paint", invalid("no topic \x1b[2J\n\xc2\x9b\x9b."), 1), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "longshore paint: no topic \\x1b[2J\\n\\u009b\\x9b.\n");
}

TEST_F(CommandLineFile, an_unknown_name_is_refused_with_the_nearest) {
  const std::string config = file("\ncots = 1\n");
  EXPECT_EQ(refused({"--cots=1"}), "Unknown flag '--cots'; did you mean '--coats'?");
  EXPECT_EQ(refused({"--coat", "1"}), "Unknown flag '--coat'; did you mean '--coats'?");
  EXPECT_EQ(refused({"--xyzzyplugh"}),
            "Unknown flag '--xyzzyplugh'; 'longshore paint --help' lists all flags.");
  EXPECT_EQ(refused({"--config", config}),
            config + ":2: unknown setting 'cots'; did you mean 'coats'?");
  EXPECT_EQ(refused({"wall"}),
            "'wall' belongs to no flag; 'longshore paint --help' lists all flags.");
}

TEST_F(CommandLineFile, what_others_need_in_a_shared_environment_is_ignored) {
  const std::string config = file("lanes = 2\ncoats = 3\n");
  const Environment environment = {
      {"LONGSHORE_COATZ", "1"}, {"LONGSHORE_LANES", "2"}, {"LONGSHORE_CONFIG", config}};
  EXPECT_EQ(accepted({}, environment).coats, 3);
  EXPECT_EQ(PaintCommand(true).refuse({}, {{"LONGSHORE_COATZ", "1"}}),
            "Unknown variable 'LONGSHORE_COATZ'; did you mean LONGSHORE_COATS?");
  EXPECT_NE(PaintCommand(true).refuse({}, {{"LONGSHORE_CONFIG", config}}).find("'lanes'"),
            std::string::npos);
  EXPECT_NE(refused({"--config", config}).find("'lanes'"), std::string::npos);
}

// Boost would replace a %name% by itself for ever.
TEST(CommandLine, percents_are_characters_like_others) {
  EXPECT_EQ(accepted({"--name=%value%"}).name, "%value%");
  EXPECT_EQ(refused({"--coats=%value%"}),
            "--coats=%value% is not usable: give a number from 1 to 9.");
  EXPECT_NE(refused({"--%canonical_option%="}).find("Unknown flag"), std::string::npos);
  EXPECT_NE(refused({"%prefix%"}).find("belongs to no flag"), std::string::npos);
  EXPECT_NE(refused({"--name=%a%", "--name=%b%"}).find("given twice"), std::string::npos);
  EXPECT_NE(refused({"--dry-run=%value%"}).find("dry-run"), std::string::npos);
}

TEST(CommandLine, a_command_may_take_words) {
  PaintCommand command(false, true);
  const Paint paint = command.accept({"door", "--coats", "3", "floor"});
  EXPECT_EQ(paint.words, Strings({"door", "floor"}));
  EXPECT_EQ(paint.coats, 3);
}

TEST(CommandLine, only_arguments_count_as_seen_by_everyone) {
  PaintCommand command;
  command.accept({"--coats=1"}, {{"LONGSHORE_NAME", "x"}, {"LONGSHORE_SECRET", "s"}});
  EXPECT_TRUE(command.line.in_arguments("coats"));
  EXPECT_FALSE(command.line.in_arguments("name"));
  EXPECT_EQ(command.line.variable("LONGSHORE_SECRET"), "s");
  EXPECT_EQ(command.line.variable("LONGSHORE_NOTHING"), "");
}

TEST(CommandLine, help_shows_every_flag_with_its_default) {
  for (const std::string flag : {"--help", "-h"}) {
    PaintCommand command;
    testing::internal::CaptureStdout();
    const auto parsed = command.line.parse({flag, "--coats=99"}, {{"LONGSHORE_AREA", "x"}});
    const std::string help = testing::internal::GetCapturedStdout();
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_FALSE(*parsed);
    for (const char* part :
         {"Paints.\n", "Usage: longshore paint [flags]", "--coats N (=2)", "--area BYTES (=4M)",
          "--colour red|green (=red)", "--seed N ", "--config FILE", "LONGSHORE_LINGER_MS"})
      EXPECT_NE(help.find(part), std::string::npos) << part << " in " << help;
  }
}

TEST(CommandLine, bytes_have_units) {
  const std::vector<std::pair<std::string, std::optional<uint64_t>>> cases = {
      {"0", 0},
      {"7", 7},
      {"1k", 1024},
      {"1K", 1024},
      {"1KB", 1024},
      {"1KiB", 1024},
      {"128M", 128u << 20},
      {"128MiB", 128u << 20},
      {"2G", 2ull << 30},
      {"10B", 10},
      {"", {}},
      {"M", {}},
      {"-1", {}},
      {"1.5M", {}},
      {"1 M", {}},
      {"1T", {}},
      {"1MM", {}},
      {"1iB", {}},
      {"+1", {}},
      {"0x10", {}},
      {"1KX", {}},
      {"1BB", {}},
      {"18446744073709551615", UINT64_MAX},
      {"18446744073709551616", {}},
      {"18446744073709551615k", {}}};
  for (const auto& [text, bytes] : cases) EXPECT_EQ(parse_bytes(text), bytes) << text;
}

}  // namespace
}  // namespace longshore
