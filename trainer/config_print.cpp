// Prints configurations by their field lists.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "trainer/config_fields.h"

namespace convoy {
namespace {

// A text as YAML that no parser can take for anything else.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
std::string name_of(const T& value, const Choices<T>& choices) {
  return std::ranges::find(choices, value, &std::pair<std::string, T>::second)->first;
}

// Prints a struct as YAML, in lines or as one flow map.
class Printer {
 public:
  explicit Printer(bool flow) : flow_(flow) {}

  template <class T>
  void field(const std::string& name, const T& value, const Range& = {}) {
    entry(name, written(value));
  }
  template <class T>
  void field(const std::string& name, const std::optional<T>& value, const Range& range = {}) {
    if (value) field(name, *value, range);
  }
  template <class T>
  void field(const std::string& name, const std::vector<T>& values, const Range& = {}) {
    std::string list;
    for (const T& value : values) list += (list.empty() ? "" : ", ") + written(value);
    entry(name, "[" + list + "]");
  }
  template <class T>
  void choice(const std::string& name, const T& value, const Choices<T>& choices) {
    entry(name, name_of(value, choices));
  }
  template <class T>
  void section(const std::string& name, T& value) {
    entry(name, "");
    indent_ += 2;
    fields(*this, value);
    indent_ -= 2;
  }
  template <class T>
  void list(const std::string& name, std::vector<T>& values) {
    std::string items;
    for (T& value : values) {
      Printer item(true);
      fields(item, value);
      items += fmt::format("{}{{{}}}", items.empty() ? "" : ", ", item.text());
    }
    entry(name, "[" + items + "]");
  }
  void transforms(const std::string& name, std::vector<Transform>& values) {
    std::string list;
    for (Transform& transform : values) {
      Printer item(true);
      std::visit([&](auto& t) { fields(item, t); }, transform);
      list += fmt::format("{}{{{}: {{{}}}}}", list.empty() ? "" : ", ",
                          transform_kinds()[transform.index()].first, item.text());
    }
    entry(name, "[" + list + "]");
  }

  const std::string& text() const { return text_; }

 private:
  template <class T>
  static std::string written(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      return quoted(value);
    } else {
      return fmt::format("{}", value);
    }
  }

  void entry(const std::string& name, const std::string& value) {
    if (flow_) {
      text_ += fmt::format("{}{}: {}", text_.empty() ? "" : ", ", name, value);
    } else {
      text_ += fmt::format("{:{}}{}:{}{}\n", "", indent_, name, value.empty() ? "" : " ", value);
    }
  }

  bool flow_;
  int indent_ = 0;
  std::string text_;
};

}  // namespace

std::string to_yaml(const Config& config) {
  Printer printer(false);
  Config copy = config;
  fields(printer, copy);
  return printer.text();
}

std::string to_text(const ModelConfig& model) {
  Printer printer(true);
  ModelConfig copy = model;
  fields(printer, copy);
  return printer.text();
}

std::string preparation_of(const DataConfig& data) {
  Printer printer(true);
  DataConfig copy = data;
  printer.field("channels", copy.channels);
  printer.transforms("evaluate", copy.evaluate);
  printer.field("mean", copy.mean);
  printer.field("std", copy.std);
  return printer.text();
}

std::string to_text(OptimizerKind kind) {
  return name_of(kind, optimizer_kinds());
}

}  // namespace convoy
