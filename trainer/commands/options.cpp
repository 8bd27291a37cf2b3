#include "trainer/commands/options.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "ops/core/check.h"
#include "trainer/nearest.h"

namespace convoy {

namespace po = boost::program_options;

Options::Options(std::string usage, std::string about)
    : usage_(std::move(usage)), about_(std::move(about)) {
  options_.add_options()("help,h", "");
}

Options& Options::add(const std::string& name, const po::value_semantic* value,
                      const std::string& help) {
  options_.add_options()(name.substr(0, name.find(' ')).c_str(), value, "");
  // The library knows the default only as part of a text, "arg (=7)".
  const std::string text = value->name();
  const std::size_t at = text.find("(=");
  const std::string standard =
      at == std::string::npos ? "" : " [" + text.substr(at + 2, text.size() - at - 3) + "]";
  lines_.push_back({"--" + name, help + standard});
  return *this;
}

Options& Options::flag(const std::string& name, bool& set, const std::string& help) {
  options_.add_options()(name.c_str(), po::bool_switch(&set), "");
  lines_.push_back({"--" + name, help});
  return *this;
}

Options& Options::word(const std::string& name, std::string& value, const std::string& help) {
  words_.push_back({name, help});
  word_values_.push_back(&value);
  return *this;
}

Options& Options::words(const std::string& name, std::vector<std::string>& values,
                        const std::string& help) {
  words_.push_back({name, help});
  more_words_ = &values;
  return *this;
}

bool Options::parse(const Arguments& arguments, bool silent) {
  const std::string place = usage_.substr(0, usage_.find(' ', usage_.find(' ') + 1));
  // Words are gathered by hand: the library counts them but has no names for them.
  po::options_description all;
  std::vector<std::string> words;
  all.add(options_).add_options()("(words)", po::value(&words));
  po::positional_options_description positional;
  positional.add("(words)", -1);
  // No guessing: an abbreviation that works today would clash with tomorrow's option.
  constexpr int style =
      po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    po::variables_map values;
    po::store(
        po::command_line_parser(arguments).options(all).positional(positional).style(style).run(),
        values);
    if (values.count("help") > 0) {
      if (!silent) std::cout << help();
      return false;
    }
    po::notify(values);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> known;
    for (const auto& option : options_.options()) known.push_back("--" + option->long_name());
    const std::string& name = error.get_option_name();
    fail(ExitCode::usage, place, "unknown option {}; {}", name, nearest_of(name, known));
  } catch (const po::error& error) {
    fail(ExitCode::usage, place, "{}; see {} --help", error.what(), place);
  }
  require(more_words_ != nullptr || words.size() <= words_.size(), ExitCode::usage, place,
          "'{}' is one word too many", words.empty() ? "" : words.back());
  require(words.size() >= words_.size(), ExitCode::usage, place, "{} is missing; see {} --help",
          words.size() < words_.size() ? words_[words.size()].name : "", place);
  for (std::size_t i = 0; i < word_values_.size(); ++i) *word_values_[i] = words[i];
  if (more_words_) more_words_->assign(words.begin() + word_values_.size(), words.end());
  return true;
}

std::string Options::help() const {
  std::string text = fmt::format("usage: {}\n\n{}\n", usage_, about_);
  std::size_t width = 20;
  for (const Line& line : words_) width = std::max(width, line.name.size());
  const auto print = [&](const Line& line) {
    text += fmt::format("  {:<{}}  {}\n", line.name, width, line.help);
  };
  text += "\n";
  for (const Line& line : words_) print(line);
  text += "\n";
  for (const Line& line : lines_) print(line);
  print({"--help", "show this"});
  return text;
}

}  // namespace convoy
