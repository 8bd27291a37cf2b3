#include "trainer/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <type_traits>
#include <utility>

#include "ops/core/check.h"
#include "ops/core/file.h"
#include "trainer/config_fields.h"
#include "trainer/nearest.h"

namespace convoy {
namespace {

// Where a setting was found: "file.yaml:12", or "--set optimizer.lr=0.1".
struct Source {
  std::string name;
  bool has_lines = true;
  std::map<std::string, std::string>& places;  // of every key read so far

  std::string place(const YAML::Node& node) const {
    return has_lines ? fmt::format("{}:{}", name, node.Mark().line + 1) : name;
  }
};

std::string expected(const Range& range, bool whole) {
  const std::string_view kind = whole ? "a whole number" : "a number";
  if (std::isfinite(range.max)) {
    return fmt::format("{} {} {} to {}", kind, range.above ? "above" : "from", range.min,
                       range.max);
  }
  if (!std::isfinite(range.min)) return std::string(kind);
  return fmt::format("{} {} {}", kind, range.above ? "above" : "of at least", range.min);
}

template <class T>
std::vector<std::string> names_of(const Choices<T>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  return names;
}

// Reads one YAML map into one struct. Keys that the field list did not ask for are unknown.
class Reader {
 public:
  Reader(const YAML::Node& node, std::string prefix, Source& source)
      : node_(node), prefix_(std::move(prefix)), source_(source) {
    if (!node_.IsNull() && !node_.IsMap()) {
      error(node_, prefix_.empty() ? "configuration" : prefix_.substr(0, prefix_.size() - 1),
            "expected settings as `key: value`");
    }
  }

  template <class T>
  void field(const std::string& name, T& value, const Range& range = {}) {
    if (const YAML::Node node = find(name)) value = read<T>(node, prefix_ + name, range);
  }

  template <class T>
  void field(const std::string& name, std::optional<T>& value, const Range& range = {}) {
    if (const YAML::Node node = find(name)) value = read<T>(node, prefix_ + name, range);
  }

  template <class T>
  void field(const std::string& name, std::vector<T>& values, const Range& range = {}) {
    const YAML::Node node = find(name);
    if (!node) return;
    if (!node.IsSequence()) error(node, prefix_ + name, "expected a list: [...]");
    values.clear();
    for (const YAML::Node& item : node) values.push_back(read<T>(item, prefix_ + name, range));
  }

  template <class T>
  void choice(const std::string& name, T& value, const Choices<T>& choices) {
    if (const YAML::Node node = find(name)) value = pick(node, node, prefix_ + name, choices);
  }

  template <class T>
  void section(const std::string& name, T& value) {
    if (const YAML::Node node = find(name)) read_map(node, prefix_ + name, value);
  }

  template <class T>
  void list(const std::string& name, std::vector<T>& values) {
    const YAML::Node node = find(name);
    if (!node) return;
    if (!node.IsSequence()) error(node, prefix_ + name, "expected a list: [{{...}}, ...]");
    values.clear();
    for (const YAML::Node& item : node) read_map(item, prefix_ + name, values.emplace_back());
  }

  // Each item is a name, or a name with settings: `- pad_and_crop: {size: 32, pad: 4}`.
  void transforms(const std::string& name, std::vector<Transform>& values) {
    const YAML::Node node = find(name);
    if (!node) return;
    if (!node.IsSequence()) error(node, prefix_ + name, "expected a list of transforms");
    values.clear();
    for (const YAML::Node& item : node) {
      const bool with_settings = item.IsMap() && item.size() == 1;
      const YAML::Node key = with_settings ? YAML::Node(item.begin()->first) : item;
      Transform transform = pick(item, key, prefix_ + name, transform_kinds());
      if (with_settings) {
        const std::string path = prefix_ + name + "." + key.Scalar();
        std::visit([&](auto& t) { read_map(item.begin()->second, path, t); }, transform);
      }
      values.push_back(transform);
    }
  }

  void finish() const {
    std::vector<std::string> seen;
    for (const auto& entry : node_) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "(not a word)";
      if (std::ranges::find(known_, key) == known_.end()) {
        error(entry.first, prefix_ + key, "unknown key; {}", nearest_of(key, known_));
      }
      if (std::ranges::find(seen, key) != seen.end()) {
        error(entry.first, prefix_ + key, "given twice");
      }
      seen.push_back(key);
    }
  }

 private:
  template <class... Args>
  [[noreturn]] void error(const YAML::Node& node, const std::string& key,
                          fmt::format_string<Args...> format, Args&&... args) const {
    fail(ExitCode::config, source_.place(node), "{}: {}", key,
         fmt::format(format, std::forward<Args>(args)...));
  }

  // Undefined where the map has no such key.
  YAML::Node find(const std::string& name) {
    known_.push_back(name);
    const YAML::Node& map = node_;
    const YAML::Node node = map[name];
    if (node) source_.places[prefix_ + name] = source_.place(node);
    return node;
  }

  template <class T>
  void read_map(const YAML::Node& node, const std::string& path, T& value) {
    Reader reader(node, path + ".", source_);
    fields(reader, value);
    reader.finish();
  }

  template <class T>
  T pick(const YAML::Node& at, const YAML::Node& word, const std::string& path,
         const Choices<T>& choices) const {
    if (word.IsScalar()) {
      for (const auto& [name, value] : choices) {
        if (name == word.Scalar()) return value;
      }
    }
    const std::string found = word.IsScalar() ? word.Scalar() : "?";
    error(at, path, "found '{}', {}", found, nearest_of(found, names_of(choices)));
  }

  template <class T>
  T read(const YAML::Node& node, const std::string& path, const Range& range) const {
    const std::string found = node.IsScalar() ? node.Scalar() : node.IsNull() ? "" : "?";
    if constexpr (std::is_same_v<T, std::string>) {
      if (!node.IsScalar() && !node.IsNull()) error(node, path, "expected a text");
      return found;
    } else if constexpr (std::is_same_v<T, bool>) {
      if (found != "true" && found != "false") {
        error(node, path, "found '{}', expected true or false", found);
      }
      return found == "true";
    } else {
      T value{};
      const char* end = found.data() + found.size();
      const auto [rest, problem] = std::from_chars(found.data(), end, value);
      const auto number = static_cast<double>(value);
      if (problem != std::errc() || rest != end || !std::isfinite(number) || !range.holds(number)) {
        error(node, path, "found '{}', expected {}", found, expected(range, std::is_integral_v<T>));
      }
      return value;
    }
  }

  YAML::Node node_;
  std::string prefix_;  // "" or "optimizer."
  Source& source_;
  std::vector<std::string> known_;
};

YAML::Node parse_yaml(const std::string& text, std::string_view name) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& problem) {
    fail(ExitCode::config, fmt::format("{}:{}", name, problem.mark.line + 1), "not YAML: {}",
         problem.msg);
  }
}

void read_into(const YAML::Node& document, Source source, Config& config) {
  Reader reader(document, "", source);
  fields(reader, config);
  reader.finish();
}

// "optimizer.lr=0.1" as the document {optimizer: {lr: 0.1}}.
YAML::Node override_document(const std::string& setting) {
  const std::string place = "--set " + setting;
  const std::size_t equals = setting.find('=');
  require(equals != std::string::npos && equals > 0, ExitCode::usage, place,
          "expected key=value, as in optimizer.lr=0.1");
  YAML::Node node = parse_yaml(setting.substr(equals + 1), place);
  std::string path = setting.substr(0, equals);
  while (!path.empty()) {
    const std::size_t dot = path.rfind('.');
    YAML::Node parent;
    parent[dot == std::string::npos ? path : path.substr(dot + 1)] = node;
    node.reset(parent);
    path.resize(dot == std::string::npos ? 0 : dot);
  }
  return node;
}

// Checks that concern several settings, and automatic values.
class Resolver {
 public:
  Resolver(Config& config, const std::map<std::string, std::string>& places, std::string_view name)
      : c_(config), places_(places), name_(name) {}

  void resolve() {
    if (c_.run_folder.empty()) c_.run_folder = "runs/" + c_.name;
    check(!c_.name.empty(), "name", "empty");
    check(!c_.data.path.empty(), "data.path", "missing: the folder that `convoy pack` wrote");
    check(!c_.data.train.empty(), "data.train", "empty: the split to train on");
    const InitConfig& init = c_.init;
    check(!init.weights.empty() || (init.skip.empty() && init.rename.empty() && init.head.empty()),
          "init.weights", "missing: the file that init.skip, init.rename and init.head are about");
    check(c_.data.channels != 2, "data.channels", "found 2, expected 1 (grey) or 3 (colour)");
    per_channel("data.mean", c_.data.mean);
    per_channel("data.std", c_.data.std);
    resolve_batch();
    resolve_rate();
    check_optimizer();
    check_schedule();
  }

 private:
  template <class... Args>
  void check(bool good, const std::string& key, fmt::format_string<Args...> format,
             Args&&... args) const {
    if (good) return;
    const auto place = places_.find(key);
    fail(ExitCode::config, place == places_.end() ? name_ : place->second, "{}: {}", key,
         fmt::format(format, std::forward<Args>(args)...));
  }

  void per_channel(const std::string& key, const std::vector<double>& values) const {
    check(values.empty() || values.size() == static_cast<std::size_t>(c_.data.channels), key,
          "found {} numbers, expected one for each of {} channels", values.size(),
          c_.data.channels);
  }

  void resolve_batch() {
    if (c_.batch.lanes == 0) {
      c_.batch.lanes = std::min(8, c_.batch.global);
      while (c_.batch.global % c_.batch.lanes != 0) --c_.batch.lanes;
    }
    check(c_.batch.global % c_.batch.lanes == 0, "batch.lanes",
          "{} lanes do not divide a global batch of {}", c_.batch.lanes, c_.batch.global);
  }

  void resolve_rate() {
    const bool given = places_.contains("optimizer.lr");
    if (has_moments(c_.optimizer.name) && !given) c_.optimizer.lr = 0.001;
    if (c_.optimizer.lr_per_256 == 0) return;
    check(!given, "optimizer.lr_per_256", "give lr or lr_per_256, not both");
    c_.optimizer.lr = c_.optimizer.lr_per_256 * c_.batch.global / 256;
    c_.optimizer.lr_per_256 = 0;
  }

  void check_optimizer() const {
    check(!c_.optimizer.nesterov || !has_moments(c_.optimizer.name), "optimizer.nesterov",
          "is of sgd and lars alone");
    for (const ParameterGroup& group : c_.optimizer.groups) {
      check(!group.match.empty(), "optimizer.groups",
            "a group without match: the pattern of its parameters' names");
    }
  }

  void check_schedule() const {
    const ScheduleConfig& s = c_.schedule;
    check(s.name != ScheduleKind::step || !s.epochs.empty() || s.every_epochs > 0,
          "schedule.epochs", "missing: the epochs at which the step schedule lowers the rate");
    check(s.epochs.empty() || s.every_epochs == 0, "schedule.every_epochs",
          "give epochs or every_epochs, not both");
    check(std::ranges::is_sorted(s.epochs), "schedule.epochs", "expected rising numbers");
    check(s.name != ScheduleKind::one_cycle || s.warmup_epochs == 0, "schedule.warmup_epochs",
          "one_cycle rises by itself: for {} of the steps", s.pct_start);
  }

  Config& c_;
  const std::map<std::string, std::string>& places_;
  std::string name_;
};

}  // namespace

Config parse_config(const std::string& text, std::string_view name,
                    const std::vector<std::string>& overrides) {
  Config config;
  std::map<std::string, std::string> places;
  try {
    read_into(parse_yaml(text, name), {std::string(name), true, places}, config);
    for (const std::string& setting : overrides) {
      read_into(override_document(setting), {"--set " + setting, false, places}, config);
    }
  } catch (const YAML::Exception& problem) {
    fail(ExitCode::config, name, "not usable: {}", problem.what());
  }
  Resolver(config, places, name).resolve();
  return config;
}

Config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  constexpr std::uint64_t largest = 1 << 20;
  std::string text;
  try {
    text = read_file(file, largest);
  } catch (const Error& problem) {
    throw Error(ExitCode::config, "configuration", problem.what());
  }
  return parse_config(text, file.string(), overrides);
}

}  // namespace convoy
