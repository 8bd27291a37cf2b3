#include "trainer/weights.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::string_view batches_name = "num_batches_tracked";

// "bn1.running_mean" -> "bn1.num_batches_tracked".
std::string batches_beside(const std::string& name) {
  return name.substr(0, name.rfind('.') + 1).append(batches_name);
}

bool counts_batches(std::string_view name) {
  return name == batches_name ||
         (name.ends_with(batches_name) && name[name.size() - batches_name.size() - 1] == '.');
}

// Tensors by the names of our parameters.
using ByName = std::map<std::string, const TensorView*, std::less<>>;

// "2 missing: a, b"; nothing if there is none.
std::string listed(std::string_view kind, const std::vector<std::string>& tensors) {
  constexpr std::size_t shown = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, tensors.size()); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", tensors[i]);
  }
  if (tensors.size() > shown) text += fmt::format(" and {} more", tensors.size() - shown);
  return tensors.empty() ? text : fmt::format("; {} {}: {}", tensors.size(), kind, text);
}

// Equal shapes, or a linear layer's weights for the convolution that takes its place.
bool fits(const Shape& tensor, const Shape& parameter) {
  if (tensor == parameter) return true;
  return tensor.rank() == 2 && parameter.rank() == 4 && tensor[0] == parameter[0] &&
         tensor.elements() == parameter.elements();
}

// Throws unless `tensors` are exactly the `wanted` parameters, of their shapes.
void require_fit(const std::filesystem::path& path, const ByName& tensors,
                 const std::vector<PlacedParameter>& placed, const std::vector<int>& wanted) {
  std::vector<std::string> missing, unexpected, different;
  std::set<std::string_view> known;
  for (const int index : wanted) {
    const PlacedParameter& parameter = placed[index];
    known.insert(parameter.name);
    const auto found = tensors.find(parameter.name);
    if (found == tensors.end()) {
      missing.push_back(fmt::format("{} ({})", parameter.name, parameter.desc.shape.text()));
    } else if (!fits(found->second->shape, parameter.desc.shape) ||
               found->second->dtype != DType::f32) {
      different.push_back(fmt::format("{} ({} {}, expected f32 {})", parameter.name,
                                      name_of(found->second->dtype), found->second->shape.text(),
                                      parameter.desc.shape.text()));
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (!known.contains(name)) {
      unexpected.push_back(fmt::format("{} ({})", in_quotes(name), tensor->shape.text()));
    }
  }
  const std::string misfits = listed("missing", missing) + listed("unexpected", unexpected) +
                              listed("of another shape or type", different);
  require(misfits.empty(), ExitCode::data, path.string(), "does not fit this model{}", misfits);
}

void require_finite(const std::filesystem::path& path, const ByName& tensors) {
  for (const auto& [name, tensor] : tensors) {
    for (std::size_t at = 0; at < tensor->bytes.size(); at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, tensor->bytes.data() + at, sizeof value);
      require(std::isfinite(value), ExitCode::data, path.string(),
              "{}[{}] is {}, expected finite values", in_quotes(name), at / sizeof value, value);
    }
  }
}

void copy_in(const ByName& tensors, const Parameters& parameters, const std::vector<int>& wanted,
             std::span<float> arena) {
  std::vector<float> logical;  // aligned, as the file's bytes need not be
  for (const int index : wanted) {
    const TensorView& tensor = *tensors.at(parameters.placed()[index].name);
    logical.resize(tensor.bytes.size() / sizeof(float));
    if (!logical.empty()) std::memcpy(logical.data(), tensor.bytes.data(), tensor.bytes.size());
    parameters.write(index, arena, logical);
  }
}

std::string renamed(const std::string& name, const ImportOptions& options) {
  for (const auto& [from, to] : options.rename) {
    if (name.starts_with(from)) return to + name.substr(from.size());
  }
  return name;
}

bool held(const PlacedParameter& parameter, Holds holds) {
  return holds == Holds::all || (!is_statistic(parameter.role) && !parameter.frozen);
}

bool skipped(const std::string& name, const ImportOptions& options) {
  return std::ranges::any_of(options.skip,
                             [&](const std::string& pattern) { return matches(pattern, name); });
}

}  // namespace

bool matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

void export_arena(const Parameters& parameters, std::span<const float> arena,
                  std::string_view prefix, Holds holds, TensorMap& into) {
  const std::vector<PlacedParameter>& placed = parameters.placed();
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (!held(placed[i], holds)) continue;
    const std::span<float> logical =
        put_floats(into, std::string(prefix) + placed[i].name, placed[i].desc.shape);
    parameters.read(static_cast<int>(i), arena, logical);
  }
}

void export_parameters(const Parameters& parameters, std::int64_t batches, TensorMap& into) {
  export_arena(parameters, parameters.arena(), "", Holds::all, into);
  for (const PlacedParameter& parameter : parameters.placed()) {
    if (parameter.role != ParameterRole::running_mean) continue;
    const std::span<std::byte> bytes =
        put(into, batches_beside(parameter.name), DType::i64, Shape{});
    std::memcpy(bytes.data(), &batches, sizeof batches);
  }
}

int import_parameters(const Safetensors& tensors, Parameters& parameters,
                      const ImportOptions& options) {
  const std::vector<PlacedParameter>& placed = parameters.placed();
  for (const std::string& pattern : options.skip) {
    require(std::ranges::any_of(placed, [&](const auto& p) { return matches(pattern, p.name); }),
            ExitCode::config, "skip", "{} fits no parameter of this model", in_quotes(pattern));
  }
  std::vector<int> wanted;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (!skipped(placed[i].name, options)) wanted.push_back(static_cast<int>(i));
  }
  ByName found;
  for (const TensorView& tensor : tensors.tensors()) {
    const std::string name = renamed(tensor.name, options);
    if (counts_batches(name) || skipped(name, options)) continue;
    require(found.emplace(name, &tensor).second, ExitCode::data, tensors.path().string(),
            "two tensors become {}", in_quotes(name));
  }
  require_fit(tensors.path(), found, placed, wanted);
  require_finite(tensors.path(), found);
  copy_in(found, parameters, wanted, parameters.arena());
  return static_cast<int>(wanted.size());
}

int import_parameters(const Safetensors& weights, const Safetensors& head, Parameters& parameters,
                      ImportOptions options) {
  ImportOptions of_head;
  for (const PlacedParameter& parameter : parameters.placed()) {
    const bool there = std::ranges::find(head.tensors(), parameter.name, &TensorView::name) !=
                       head.tensors().end();
    (there ? options : of_head).skip.push_back(parameter.name);
  }
  require(of_head.skip.size() < parameters.placed().size(), ExitCode::data, head.path().string(),
          "has no parameter of this model, expected those of some of its layers");
  const int behind = import_parameters(head, parameters, of_head);
  return behind + import_parameters(weights, parameters, options);
}

void import_arena(const Safetensors& tensors, const Parameters& parameters, std::string_view prefix,
                  Holds holds, std::span<float> arena) {
  const std::vector<PlacedParameter>& placed = parameters.placed();
  std::vector<int> wanted;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (held(placed[i], holds)) wanted.push_back(static_cast<int>(i));
  }
  ByName found;
  for (const TensorView& tensor : tensors.tensors()) {
    if (tensor.name.starts_with(prefix)) found[tensor.name.substr(prefix.size())] = &tensor;
  }
  require_fit(tensors.path(), found, placed, wanted);
  copy_in(found, parameters, wanted, arena);
}

}  // namespace convoy
