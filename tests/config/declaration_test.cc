// Goal: the variables that an application sets have exactly one meaning, and a wrong or hostile
// declaration affects only its own source.
// Method: tables of variables and the declarations that they make, written as one line each; then
// every value that a hostile container could send.

#include "config/declaration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "config/limits.h"
#include "tests/fakes/seed.h"

namespace longshore {
namespace {

std::string format_name(RecordFormat format) {
  if (format == RecordFormat::kJson) return "json";
  return format == RecordFormat::kRaw ? "raw" : "text";
}

// "name path|stream option=value ...", options only where they differ from their defaults.
std::string line(const Declaration& each) {
  std::string text = each.name + " ";
  text += each.stream == Stream::kFile ? each.path
                                       : (each.stream == Stream::kStdout ? "stdout" : "stderr");
  if (!each.topic.empty()) text += " topic=" + each.topic;
  if (!each.exclude.empty()) text += " exclude=" + each.exclude;
  if (each.format != RecordFormat::kText) text += " format=" + format_name(each.format);
  if (each.start_given) text += each.start == StartAt::kEnd ? " start=end" : " start=beginning";
  for (const auto& [key, value] : each.tags) text += " " + key + ":" + value;
  return text;
}

std::string lines(const Declarations& all) {
  std::string text;
  for (const Declaration& each : all.usable) text += line(each) + "; ";
  for (const WrongDeclaration& each : all.wrong) {
    EXPECT_FALSE(each.message.empty()) << each.name;
    text += "wrong " + each.name + "; ";
  }
  if (!text.empty()) text.resize(text.size() - 2);
  return text;
}

// Variables without their prefix.
using Short = std::vector<KeyValue>;

Declarations parse(const Short& variables, const std::string& prefix = "LONGSHORE_LOGS_") {
  Short whole = {{"PATH", "/bin"}, {"LONGSHORE_VERSION", "1"}, {"HOME", "/root"}};
  for (const auto& [key, value] : variables) whole.emplace_back(prefix + key, value);
  return parse_environment(whole, {"LONGSHORE_LOGS_"});
}

struct Case {
  Short variables;
  std::string expected;
};

void expect_all(const std::vector<Case>& cases, const std::string& prefix = "LONGSHORE_LOGS_") {
  for (const Case& each : cases) {
    std::string written;
    for (const auto& [key, value] : each.variables) written += key + "=" + value + " ";
    EXPECT_EQ(lines(parse(each.variables, prefix)), each.expected) << written;
    Short reversed(each.variables.rbegin(), each.variables.rend());
    EXPECT_EQ(lines(parse(reversed, prefix)), each.expected) << "reversed: " << written;
  }
}

// The only wrong declaration that one variable (beside a good one) makes.
std::string refusal(const Short& variables) {
  Short with_good = variables;
  with_good.emplace_back("good", "/var/log/good.log");
  const Declarations all = parse(with_good);
  EXPECT_TRUE(std::any_of(all.usable.begin(), all.usable.end(),
                          [](const Declaration& each) { return each.name == "good"; }));
  EXPECT_EQ(all.usable.size(), 1u) << lines(all);
  EXPECT_EQ(all.wrong.size(), 1u) << lines(all);
  return all.wrong.empty() ? "" : all.wrong[0].message;
}

TEST(Declaration, a_variable_names_a_file_a_glob_or_a_stream) {
  expect_all({
      {{}, ""},
      {{{"access", "/app/logs/access.log"}}, "access /app/logs/access.log"},
      {{{"access", "/app/logs/access*.log"}}, "access /app/logs/access*.log"},
      {{{"access", "/app/**/[a-z]?.log"}}, "access /app/**/[a-z]?.log"},
      {{{"console", "stdout"}}, "console stdout"},
      {{{"errors", "stderr"}}, "errors stderr"},
      {{{"b", "/b"}, {"a", "/a"}, {"c", "stdout"}}, "a /a; b /b; c stdout"},
      {{{"a-b.C_9", "/x"}}, "a-b.C_9 /x"},
      {{{"a", "/with blank/and=equals"}}, "a /with blank/and=equals"},
      {{{"a", "/\xc3\xa9t\xc3\xa9.log"}}, "a /\xc3\xa9t\xc3\xa9.log"},
  });
}

TEST(Declaration, a_path_is_folded_to_its_plain_form) {
  expect_all({
      {{{"a", "//app//logs/./x.log"}}, "a /app/logs/x.log"},
      {{{"a", "/./x"}}, "a /x"},
      {{{"a", "/app/.hidden/x"}}, "a /app/.hidden/x"},
      {{{"a", "/app/..x/y"}}, "a /app/..x/y"},
      {{{"a", "/app/x..y"}}, "a /app/x..y"},
  });
}

TEST(Declaration, options_belong_to_the_name_they_follow) {
  expect_all({
      {{{"a", "/x"}, {"a_topic", "web"}}, "a /x topic=web"},
      {{{"a", "/x"}, {"a_exclude", "*.gz"}}, "a /x exclude=*.gz"},
      {{{"a", "/x"}, {"a_exclude", "/app/old/*"}}, "a /x exclude=/app/old/*"},
      {{{"a", "/x"}, {"a_format", "json"}}, "a /x format=json"},
      {{{"a", "/x"}, {"a_format", "raw"}}, "a /x format=raw"},
      {{{"a", "/x"}, {"a_format", "text"}}, "a /x"},
      {{{"a", "/x"}, {"a_start", "end"}}, "a /x start=end"},
      {{{"a", "/x"}, {"a_start", "beginning"}}, "a /x start=beginning"},
      {{{"a", "/x"}, {"a_tags", "team=shop,env=prod"}}, "a /x team:shop env:prod"},
      {{{"a", "stdout"}, {"a_topic", "t"}, {"a_format", "json"}}, "a stdout topic=t format=json"},
      {{{"a", "/x"}, {"b", "/y"}, {"b_topic", "t"}}, "a /x; b /y topic=t"},
  });
}

TEST(Declaration, the_longest_declared_name_owns_a_suffix) {
  expect_all({
      {{{"web", "/w"}, {"web_app", "/a"}, {"web_app_topic", "t"}}, "web /w; web_app /a topic=t"},
      {{{"web", "/w"}, {"web_access", "/a"}}, "web /w; web_access /a"},
      {{{"a_b_c", "/x"}, {"a_b_c_tags", "k=v"}}, "a_b_c /x k:v"},
      // A name may be an option's word as long as nothing declared stands before it.
      {{{"topic", "/x"}}, "topic /x"},
      {{{"topic", "/x"}, {"topic_topic", "t"}}, "topic /x topic=t"},
      {{{"format", "/f"}, {"start", "/s"}}, "format /f; start /s"},
      // An option of a declared name is always that option, also where it could be a path.
      {{{"a", "/x"}, {"a_exclude", "/y/z.log"}}, "a /x exclude=/y/z.log"},
      {{{"a", "/x"}, {"a_topic", "/y/z.log"}}, "wrong a"},
  });
}

TEST(Declaration, names_are_case_sensitive_and_prefixes_too) {
  EXPECT_EQ(lines(parse_environment({{"longshore_logs_a", "/x"}, {"LONGSHORE_LOGSa", "/x"}},
                                    {"LONGSHORE_LOGS_"})),
            "");
  expect_all({{{{"A", "/x"}, {"a", "/y"}}, "A /x; a /y"},
              {{{"a", "/x"}, {"A", "/y"}, {"A_topic", "t"}}, "A /y topic=t; a /x"}});
}

TEST(Declaration, further_prefixes_are_read_alike) {
  const Declarations all = parse_environment(
      {{"MYLOGS_a", "/a"}, {"MYLOGS_a_topic", "t"}, {"LONGSHORE_LOGS_b", "/b"}, {"OTHER_c", "/c"}},
      {"LONGSHORE_LOGS_", "MYLOGS_"});
  EXPECT_EQ(lines(all), "a /a topic=t; b /b");
}

TEST(Declaration, an_empty_environment_is_no_declaration) {
  EXPECT_EQ(lines(parse_environment({}, {})), "");
  EXPECT_EQ(lines(parse_environment({{"", ""}, {"LONGSHORE_LOGS", "/x"}}, {"LONGSHORE_LOGS_"})),
            "");
}

TEST(Declaration, what_log_pilots_users_wrote_is_understood) {
  expect_all(
      {
          {{{"access", "/usr/local/tomcat/logs/*.log"}}, "access /usr/local/tomcat/logs/*.log"},
          {{{"a", "stderr"}}, "a stderr"},
          {{{"a", "/x"}, {"a_target", "web"}}, "a /x topic=web"},
          {{{"a", "/x"}, {"a_tags", "type=order,team=shop"}}, "a /x type:order team:shop"},
          {{{"a", "/x"}, {"a_format", "json"}}, "a /x format=json"},
          {{{"a", "/x"}, {"a_format", "none"}}, "a /x"},
          {{{"a", "/x"}, {"a_format", "regexp"}, {"a_format_pattern", "(?<x>.*)"}}, "a /x"},
          {{{"a", "/x"}, {"a_format", "csv"}, {"a_format_time_key", "t"}}, "a /x"},
          {{{"a", "/x"}, {"a_configtags", "k"}, {"a_ttl", "30"}, {"a_shard", "2"}}, "a /x"},
          // There, stdout is all that a container prints.
          {{{"c", "stdout"}, {"c_target", "t"}}, "c stdout topic=t; c.stderr stderr topic=t"},
          {{{"c", "stdout"}, {"c.stderr", "/x"}}, "c stdout; c.stderr /x"},
          // Its own options are not ours.
          {{{"a", "/x"}, {"a_topic", "/y"}}, "a /x; a_topic /y"},
          {{{"a", "/x"}, {"a_target", "no topic"}}, "wrong a"},
          {{{"a", "relative"}, {"b", "/x"}}, "b /x; wrong a"},
          {{{"a_target", "t"}}, "wrong a"},
      },
      "aliyun_logs_");
}

TEST(Declaration, both_prefixes_may_declare_in_one_container) {
  const Declarations all = parse_environment({{"aliyun_logs_a", "/a"},
                                              {"aliyun_logs_a_target", "web"},
                                              {"LONGSHORE_LOGS_b", "/b"},
                                              {"LONGSHORE_LOGS_b_topic", "shop"}},
                                             {"LONGSHORE_LOGS_"});
  EXPECT_EQ(lines(all), "a /a topic=web; b /b topic=shop");
}

TEST(Declaration, options_of_later_versions_are_refused_by_name_and_never_ignored) {
  for (const std::string option : {"time", "multiline", "encoding", "rate"}) {
    const std::string message = refusal({{"a", "/x"}, {"a_" + option, "1"}});
    EXPECT_NE(message.find(option), std::string::npos) << message;
    EXPECT_NE(message.find("not supported"), std::string::npos) << message;
    EXPECT_NE(message.find("remove"), std::string::npos) << message;
  }
}

TEST(Declaration, an_option_without_its_name_is_said) {
  for (const std::string option : {"topic", "tags", "format", "start", "rate"}) {
    const std::string message = refusal({{"lost_" + option, "value"}});
    EXPECT_NE(message.find("lost"), std::string::npos) << message;
  }
}

TEST(Declaration, a_wrong_path_costs_its_own_source_only) {
  const std::string deep = "/" + std::string(limits::kPathBytesMax, 'x');
  for (const std::string& path :
       {std::string(), std::string("logs/x.log"), std::string("./x"), std::string("~/x"),
        std::string("/app/../etc/passwd"), std::string("/.."), std::string("/app/.."),
        std::string("/"), std::string("//"), std::string("/app/logs/"), std::string("/a\nb"),
        std::string("/a\0b", 4), std::string("/a\x7f"), std::string("/a\x1b[31m"), deep,
        std::string("Stdout"), std::string("stdin"), std::string("stdout,stderr"),
        std::string("C:\\logs")}) {
    const std::string message = refusal({{"bad", path}});
    EXPECT_GT(message.size(), 10u) << path;
    EXPECT_LT(message.size(), 600u) << path;
    // A sentence goes to a terminal and to a log of lines.
    EXPECT_TRUE(std::none_of(message.begin(), message.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    })) << path;
  }
}

TEST(Declaration, the_longest_allowed_path_is_taken) {
  const std::string path = "/" + std::string(200, 'x');
  EXPECT_EQ(lines(parse({{"a", path}})), "a " + path);
}

TEST(Declaration, wrong_names_are_refused) {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("a:b"), std::string(65, 'x'),
        std::string(100'000, 'x')}) {
    const std::string message = refusal({{name, "/x"}});
    EXPECT_GT(message.size(), 10u) << name;
    EXPECT_LT(message.size(), 600u);
  }
  EXPECT_EQ(parse({{std::string(64, 'x'), "/x"}}).usable.size(), 1u);
}

TEST(Declaration, topics_follow_kafkas_rule) {
  for (const std::string& topic :
       {std::string(), std::string("."), std::string(".."), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa9"), std::string(250, 't'), std::string("a\n"), std::string("a,b")}) {
    EXPECT_NE(refusal({{"a", "/x"}, {"a_topic", topic}}).find("topic"), std::string::npos) << topic;
  }
  for (const std::string& topic :
       {std::string("..."), std::string("a.b_c-D9"), std::string("_"), std::string(249, 't')}) {
    EXPECT_EQ(lines(parse({{"a", "/x"}, {"a_topic", topic}})), "a /x topic=" + topic);
  }
}

TEST(Declaration, tags_are_pairs_with_unique_keys) {
  expect_all({
      {{{"a", "/x"}, {"a_tags", "k=v=w"}}, "a /x k:v=w"},
      {{{"a", "/x"}, {"a_tags", "k="}}, "a /x k:"},
      {{{"a", "/x"}, {"a_tags", "z=1,a=2"}}, "a /x z:1 a:2"},
      {{{"a", "/x"}, {"a_tags", " z=1, a=b c ,"}}, "a /x z:1 a:b c"},
      {{{"a", "/x"}, {"a_tags", ""}}, "a /x"},
      {{{"a", "/x"}, {"a_exclude", ""}}, "a /x"},
      {{{"a", "/x"}, {"a_exclude", "//app/./*.gz"}}, "a /x exclude=/app/*.gz"},
  });
  for (const std::string& tags :
       {std::string("novalue"), std::string("=v"), std::string("k=v,novalue"),
        std::string("k=1,k=2"), std::string("k=a\nb"), std::string("k=\0", 3),
        "k=" + std::string(100'000, 'v')}) {
    EXPECT_NE(refusal({{"a", "/x"}, {"a_tags", tags}}).find("tag"), std::string::npos) << tags;
  }
  std::string many;
  for (int i = 0; i < 5000; ++i) many += (i ? ",k" : "k") + std::to_string(i) + "=v";
  EXPECT_NE(refusal({{"a", "/x"}, {"a_tags", many}}).find("tag"), std::string::npos);
}

TEST(Declaration, words_that_an_option_does_not_know_are_refused_with_those_it_knows) {
  EXPECT_NE(refusal({{"a", "/x"}, {"a_format", "xml"}}).find("json"), std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_format", ""}}).find("json"), std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_start", "middle"}}).find("beginning"), std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_exclude", "/a/../b"}}).find("exclude"), std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_exclude", "a\nb"}}).find("exclude"), std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_exclude", std::string(10'000, 'x')}}).find("exclude"),
            std::string::npos);
  EXPECT_NE(refusal({{"a", "/x"}, {"a_exclude", "logs/*.gz"}}).find("exclude"), std::string::npos);
}

TEST(Declaration, one_key_with_two_values_is_not_chosen_between) {
  expect_all({
      {{{"a", "/x"}, {"a", "/y"}, {"b", "/z"}}, "b /z; wrong a"},
      {{{"a", "/x"}, {"a", "/x"}}, "a /x"},
      {{{"a", "/x"}, {"a_topic", "t"}, {"a_topic", "u"}}, "wrong a"},
      {{{"a", "/x"}, {"a_topic", "t"}, {"a_topic", "t"}}, "a /x topic=t"},
  });
  EXPECT_EQ(lines(parse_sources({"a=/x", "a=/y"})), "wrong a");
}

TEST(Declaration, an_image_can_serve_log_pilot_too_and_our_prefix_wins) {
  const Declarations all = parse_environment(
      {{"aliyun_logs_a", "/y"}, {"LONGSHORE_LOGS_a", "/x"}, {"aliyun_logs_a_target", "t"}},
      {"LONGSHORE_LOGS_"});
  EXPECT_EQ(lines(all), "a /x");
}

TEST(Declaration, a_misspelt_option_is_named) {
  const std::string message = refusal({{"good_topik", "web"}});
  EXPECT_NE(message.find("good_topic"), std::string::npos) << message;
}

TEST(Declaration, a_container_has_a_bounded_number_of_declarations) {
  Short many;
  for (int i = 0; i < 10'000; ++i) many.emplace_back("n" + std::to_string(i), "/x");
  const Declarations all = parse(many);
  EXPECT_EQ(all.usable.size(), limits::kDeclarationsPerContainerMax);
  // What is left out is said, and saying it is bounded too.
  ASSERT_FALSE(all.wrong.empty());
  EXPECT_LE(all.wrong.size(), limits::kDeclarationsPerContainerMax);
  EXPECT_NE(all.wrong.front().message.find("64"), std::string::npos) << all.wrong.front().message;
  EXPECT_EQ(all.wrong.back().name, "(others)");
}

TEST(Declaration, ten_thousand_wrong_ones_make_a_bounded_list) {
  Short many;
  for (int i = 0; i < 10'000; ++i) many.emplace_back("n" + std::to_string(i), "relative");
  const Declarations all = parse(many);
  EXPECT_TRUE(all.usable.empty());
  EXPECT_FALSE(all.wrong.empty());
  EXPECT_LE(all.wrong.size(), limits::kDeclarationsPerContainerMax);
}

TEST(Declaration, no_bytes_of_a_container_upset_the_parser) {
  const unsigned seed = fakes::seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<std::string> words = {"a",    "_",    "topic", "tags", "/x", "=",     ",",
                                          "k=v",  "..",   "/",     "\xff", "*",  "[",     "stdout",
                                          "json", "time", "",      "\n",   "a_", "format"};
  size_t usable = 0, wrong = 0;
  for (int round = 0; round < 20'000; ++round) {
    Short variables;
    for (size_t n = random() % 6; n > 0; --n) {
      std::string key, value;
      for (size_t k = random() % 4; k > 0; --k) key += words[random() % words.size()];
      for (size_t k = random() % 4; k > 0; --k) value += words[random() % words.size()];
      variables.emplace_back(std::move(key), std::move(value));
    }
    const Declarations all = parse(variables);
    for (const Declaration& each : all.usable) {
      ASSERT_EQ(each.path.empty(), each.stream != Stream::kFile);
      ASSERT_TRUE(each.path.empty() || each.path.starts_with('/')) << each.path;
      ASSERT_EQ(each.path.find("/../"), std::string::npos);
      ASSERT_EQ(each.path.find("//"), std::string::npos);
      ASSERT_FALSE(each.name.empty());
    }
    ASSERT_TRUE(std::is_sorted(all.usable.begin(), all.usable.end(),
                               [](const auto& a, const auto& b) { return a.name < b.name; }));
    usable += all.usable.size();
    wrong += all.wrong.size();
  }
  EXPECT_GT(usable, 100u);
  EXPECT_GT(wrong, 1000u);
}

TEST(Declaration, labels_say_the_same_with_dots) {
  EXPECT_EQ(lines(parse_labels({{"longshore.logs.access", "/app/access.log"},
                                {"longshore.logs.access.topic", "web"},
                                {"longshore.logs.access.tags", "team=shop"},
                                {"longshore.logs.console", "stdout"},
                                {"com.docker.compose.project", "shop"},
                                {"maintainer", "x"}})),
            "access /app/access.log topic=web team:shop; console stdout");
  EXPECT_EQ(lines(parse_labels({{"longshore.logs.a.b", "/x"}, {"longshore.logs.a.b.topic", "t"}})),
            "a.b /x topic=t");
  EXPECT_EQ(lines(parse_labels({{"longshore.logs.a.rate", "5"}, {"longshore.logs.a", "/x"}})),
            "wrong a");
  EXPECT_EQ(
      lines(parse_labels({{"longshore.logs.a_b", "/x"}, {"longshore.logs.a_b.start", "end"}})),
      "a_b /x start=end");
}

TEST(Declaration, sources_of_the_host_are_files_only) {
  EXPECT_EQ(lines(parse_sources({"sys=/var/log/syslog", "sys_topic=host", "auth=/var/log/auth*"})),
            "auth /var/log/auth*; sys /var/log/syslog topic=host");
  EXPECT_EQ(lines(parse_sources({"a=/x=y"})), "a /x=y");
  EXPECT_EQ(lines(parse_sources({})), "");
  for (const std::string argument : {"a=stdout", "a=stderr", "a", "=/x", "", "a=", "a=relative"}) {
    const Declarations all = parse_sources({argument, "good=/x"});
    EXPECT_EQ(all.usable.size(), 1u) << argument;
    ASSERT_EQ(all.wrong.size(), 1u) << argument;
  }
}

TEST(Declaration, the_environment_wins_over_a_label) {
  const Declarations both =
      merge(parse({{"a", "/env"}, {"b", "/b"}}), parse_labels({{"longshore.logs.a", "/label"},
                                                               {"longshore.logs.a.topic", "t"},
                                                               {"longshore.logs.0", "/zero"}}));
  EXPECT_EQ(lines(both), "0 /zero; a /env; b /b");
}

TEST(Declaration, a_wrong_declaration_in_the_environment_is_not_replaced_by_a_label) {
  const Declarations both =
      merge(parse({{"a", "relative"}}), parse_labels({{"longshore.logs.a", "/label"}}));
  EXPECT_EQ(lines(both), "wrong a");
}

TEST(Declaration, merged_lists_keep_the_bound) {
  Short first, second;
  for (int i = 0; i < 60; ++i) {
    first.emplace_back("e" + std::to_string(i), "/x");
    second.emplace_back("longshore.logs.l" + std::to_string(i), "/x");
  }
  const Declarations both = merge(parse(first), parse_labels(second));
  EXPECT_EQ(both.usable.size(), limits::kDeclarationsPerContainerMax);
  EXPECT_FALSE(both.wrong.empty());
}

}  // namespace
}  // namespace longshore
