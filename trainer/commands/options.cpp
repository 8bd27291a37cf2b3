#include "trainer/commands/options.h"

#include <iostream>
#include <sstream>
#include <utility>

#include "ops/core/check.h"
#include "trainer/nearest.h"

namespace convoy {

namespace po = boost::program_options;

Options::Options(std::string usage, std::string about)
    : usage_(std::move(usage)), about_(std::move(about)) {
  options_.add_options()("help,h", "show this help");
}

Options& Options::add(const std::string& name, const po::value_semantic* value,
                      const std::string& help) {
  options_.add_options()(name.c_str(), value, help.c_str());
  return *this;
}

Options& Options::flag(const std::string& name, bool& set, const std::string& help) {
  return add(name, po::bool_switch(&set), help);
}

Options& Options::word(const std::string& name, std::string& value, const std::string& help) {
  words_.emplace_back(name, help);
  word_values_.push_back(&value);
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
    const std::string name = error.get_option_name();
    fail(ExitCode::usage, place, "unknown option {}; {}", name, nearest_of(name, names()));
  } catch (const po::error& error) {
    fail(ExitCode::usage, place, "{}; see {} --help", error.what(), place);
  }
  require(words.size() <= words_.size(), ExitCode::usage, place, "'{}' is one word too many",
          words.empty() ? "" : words.back());
  require(words.size() == words_.size(), ExitCode::usage, place, "{} is missing; see {} --help",
          words.size() < words_.size() ? words_[words.size()].first : "", place);
  for (std::size_t i = 0; i < words.size(); ++i) *word_values_[i] = words[i];
  return true;
}

std::string Options::help() const {
  std::ostringstream text;
  text << "usage: " << usage_ << "\n\n" << about_ << "\n\n";
  for (const auto& [name, help] : words_) text << fmt::format("  {:<22}{}\n", name, help);
  text << options_;
  return text.str();
}

std::vector<std::string> Options::names() const {
  std::vector<std::string> names;
  for (const auto& option : options_.options()) names.push_back("--" + option->long_name());
  return names;
}

}  // namespace convoy
