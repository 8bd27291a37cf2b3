// Options: the words after a command, described once for parsing and for --help.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace convoy {

using Arguments = std::vector<std::string>;

class Options {
 public:
  // `command` is the usage line, "convoy pack SOURCE --out DIR [options]"; `about` says in a few
  // lines what it does.
  Options(std::string usage, std::string about);

  // A named option and what stands for its value: `add("out DIR", required_option(out), "folder to
  // write")`. Defaults are shown in the help.
  Options& add(const std::string& name, const boost::program_options::value_semantic* value,
               const std::string& help);
  Options& flag(const std::string& name, bool& set, const std::string& help);
  // The next word without a dash.
  Options& word(const std::string& name, std::string& value, const std::string& help);

  // All words that are left: one or more. Said last.
  Options& words(const std::string& name, std::vector<std::string>& values,
                 const std::string& help);

  // False if help was asked for, and given on standard output unless `silent`. Error(usage) for
  // anything that does not fit, with the nearest option.
  bool parse(const Arguments& arguments, bool silent = false);
  std::string help() const;

 private:
  std::string usage_;
  std::string about_;
  struct Line {
    std::string name;  // "SOURCE", "--out DIR"
    std::string help;
  };
  std::vector<Line> words_;
  std::vector<Line> lines_;  // of the named ones
  std::vector<std::string*> word_values_;
  std::vector<std::string>* more_words_ = nullptr;
  boost::program_options::options_description options_;
};

// An option's value, with the default that `target` has.
template <class T>
auto* option(T& target) {
  return boost::program_options::value<T>(&target)->default_value(target);
}

// One that must be given.
template <class T>
auto* required_option(T& target) {
  return boost::program_options::value<T>(&target)->required();
}

}  // namespace convoy
