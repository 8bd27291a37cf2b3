#include "trainer/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/file.h"
#include "ops/core/log.h"
#include "trainer/run_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr std::string_view format_name = "convoy-checkpoint/1";
constexpr const char* model_file = "model.safetensors";
constexpr const char* state_file = "state.safetensors";
constexpr const char* average_file = "ema.safetensors";
constexpr const char* progress_file = "progress.json";
constexpr const char* manifest_file = "manifest.json";
constexpr std::uint64_t max_manifest = 1 << 16;
constexpr std::uint64_t max_progress = 1 << 26;

struct Manifest {
  std::uint64_t step = 0;
  WrittenFile model, state, progress;
  std::optional<WrittenFile> average;
};

std::string text_of(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string manifest_text(const Manifest& manifest) {
  const auto entry = [](const WrittenFile& file) {
    return json{{"bytes", file.bytes}, {"sha256", file.sha256}};
  };
  json files{{model_file, entry(manifest.model)},
             {state_file, entry(manifest.state)},
             {progress_file, entry(manifest.progress)}};
  if (manifest.average) files[average_file] = entry(*manifest.average);
  return text_of({{"format", format_name}, {"step", manifest.step}, {"files", std::move(files)}});
}

// Only the very text that manifest_text gives is accepted: the manifest has no checksum of its own.
Manifest parse_manifest(const std::string& text, const fs::path& path) {
  try {
    const json value = json::parse(text);
    const auto& format = value.at("format").get_ref<const std::string&>();
    require(format == format_name, ExitCode::data, path.string(), "is of format {}, expected {}",
            json(format).dump(), format_name);
    const auto entry = [&](const char* name) {
      const json& file = value.at("files").at(name);
      return WrittenFile{file.at("bytes").get<std::uint64_t>(),
                         file.at("sha256").get<std::string>()};
    };
    Manifest manifest{value.at("step").get<std::uint64_t>(), entry(model_file), entry(state_file),
                      entry(progress_file)};
    if (value.at("files").contains(average_file)) manifest.average = entry(average_file);
    require(manifest_text(manifest) == text, ExitCode::data, path.string(),
            "is damaged: not the text that a checkpoint is written with");
    return manifest;
  } catch (const json::exception& error) {
    fail(ExitCode::data, path.string(), "is damaged: {}", error.what());
  }
}

std::string progress_text(const Progress& progress) {
  json metrics = json::object();
  for (const auto& [name, value] : progress.metrics) metrics[name] = value;  // NaN becomes null
  return text_of({{"step", progress.step},
                  {"position", progress.position},
                  {"seed", progress.seed},
                  {"lanes", progress.lanes},
                  {"global_batch", progress.global_batch},
                  {"model", progress.model},
                  {"dataset", progress.dataset},
                  {"numerics", progress.numerics},
                  {"restarts", progress.restarts},
                  {"metrics", std::move(metrics)},
                  {"classes", progress.classes},
                  {"config", progress.config}});
}

Progress parse_progress(const std::string& text, const fs::path& path) {
  try {
    const json value = json::parse(text);
    Progress progress;
    value.at("step").get_to(progress.step);
    value.at("position").get_to(progress.position);
    value.at("seed").get_to(progress.seed);
    value.at("lanes").get_to(progress.lanes);
    value.at("global_batch").get_to(progress.global_batch);
    value.at("model").get_to(progress.model);
    value.at("dataset").get_to(progress.dataset);
    value.at("numerics").get_to(progress.numerics);
    value.at("restarts").get_to(progress.restarts);
    for (const auto& [name, number] : value.at("metrics").items()) {
      progress.metrics[name] =
          number.is_null() ? std::numeric_limits<double>::quiet_NaN() : number.get<double>();
    }
    value.at("classes").get_to(progress.classes);
    value.at("config").get_to(progress.config);
    return progress;
  } catch (const json::exception& error) {
    fail(ExitCode::data, path.string(), "is not the progress of a run: {}", error.what());
  }
}

std::string step_name(std::uint64_t step) {
  return fmt::format("step-{:08}", step);
}

// The step of a checkpoint's folder name; none if it is no such name.
std::optional<std::uint64_t> step_of(const std::string& name) {
  std::uint64_t step = 0;
  if (!name.starts_with("step-")) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
  if (error != std::errc() || name != step_name(step)) return std::nullopt;
  return step;
}

// Names below `folder`; none if it does not exist. Error(storage) if it cannot be listed.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  require(!error || error == std::errc::no_such_file_or_directory, ExitCode::storage,
          folder.string(), "cannot list the checkpoints: {}", error.message());
  return names;
}

// Descending.
std::vector<std::uint64_t> steps_in(const fs::path& folder) {
  std::vector<std::uint64_t> steps;
  for (const std::string& name : names_in(folder)) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::ranges::sort(steps, std::greater());
  return steps;
}

fs::path beside(const fs::path& folder, std::uint64_t step, const char* what) {
  return folder / fmt::format("{}.{}.{}.{}", step_name(step), what, host_name(), ::getpid());
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) log_warning("{}: cannot delete: {}", path.string(), error.message());
}

WrittenFile write_text(const fs::path& path, std::string_view text) {
  FileWriter file(path, text.size());
  file.write(text);
  file.finish();
  return {text.size(), Sha256().update(text).hex()};
}

WrittenFile write_tensors(const fs::path& path, const TensorMap& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    views.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  return write_safetensors(path, views, {{"format", "pt"}});
}

// Compares what is on the disk with what was written. The pages are dropped first, so that they
// come from the device where the file system allows it, and leave the cache to the shards.
void read_back(const fs::path& path, const WrittenFile& expected) {
  const FileDescriptor file = open_for_reading(path);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  struct stat status {};
  require(::fstat(file.get(), &status) == 0 &&
              static_cast<std::uint64_t>(status.st_size) == expected.bytes,
          ExitCode::storage, path.string(), "has {} bytes after writing {}", status.st_size,
          expected.bytes);
  std::vector<std::byte> buffer(std::min<std::uint64_t>(expected.bytes, 1 << 20));
  Sha256 digest;
  for (std::uint64_t done = 0; done < expected.bytes;) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), expected.bytes - done));
    read_at(file, piece, done, path);
    digest.update(piece);
    done += piece.size();
  }
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  require(digest.hex() == expected.sha256, ExitCode::storage, path.string(),
          "reads back other bytes than were written");
}

void write_checkpoint(const fs::path& folder, const Snapshot& snapshot) {
  require(::mkdir(folder.c_str(), 0777) == 0, ExitCode::storage, folder.string(),
          "cannot create: {}", std::strerror(errno));
  Manifest manifest;
  manifest.step = snapshot.progress.step;
  manifest.model = write_tensors(folder / model_file, snapshot.model);
  manifest.state = write_tensors(folder / state_file, snapshot.state);
  if (!snapshot.average.empty()) {
    manifest.average = write_tensors(folder / average_file, snapshot.average);
  }
  manifest.progress = write_text(folder / progress_file, progress_text(snapshot.progress));
  const WrittenFile written = write_text(folder / manifest_file, manifest_text(manifest));
  sync_folder(folder);
  read_back(folder / model_file, manifest.model);
  read_back(folder / state_file, manifest.state);
  if (manifest.average) read_back(folder / average_file, *manifest.average);
  read_back(folder / progress_file, manifest.progress);
  read_back(folder / manifest_file, written);
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  require(::rename(from.c_str(), to.c_str()) == 0, ExitCode::storage, to.string(),
          "cannot rename {} to this: {}", from.filename().string(), std::strerror(errno));
}

// Gives `temporary` its final name. Returns where a former holder of that name is now, if any.
fs::path publish(const fs::path& temporary, const fs::path& final_name, const fs::path& trash) {
  if (::rename(temporary.c_str(), final_name.c_str()) == 0) return {};
  require(errno == ENOTEMPTY || errno == EEXIST, ExitCode::storage, final_name.string(),
          "cannot rename {} to this: {}", temporary.filename().string(), std::strerror(errno));
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, final_name.c_str(), RENAME_EXCHANGE) == 0)
    return temporary;
  // Some network file systems cannot exchange: for a moment there is none of this step.
  rename_or_fail(final_name, trash);
  rename_or_fail(temporary, final_name);
  return trash;
}

// The save is durable by now, so that a failure here is worth a warning only.
void prune(const fs::path& folder, std::uint64_t newest, int keep) try {
  std::vector<std::uint64_t> steps = steps_in(folder);
  std::erase_if(steps, [&](std::uint64_t step) { return step > newest; });
  std::vector<fs::path> trash;
  for (std::size_t i = keep; i < steps.size(); ++i) {
    trash.push_back(beside(folder, steps[i], "trash"));
    rename_or_fail(folder / step_name(steps[i]), trash.back());
  }
  if (!trash.empty()) sync_folder(folder);
  std::ranges::for_each(trash, remove_tree);
} catch (const Error& error) {
  log_warning("old checkpoints stay: {}", error.what());
}

}  // namespace

std::span<std::byte> put(TensorMap& tensors, std::string_view name, DType dtype, Shape shape) {
  auto found = tensors.find(name);
  if (found == tensors.end()) found = tensors.emplace(name, OwnedTensor{}).first;
  OwnedTensor& tensor = found->second;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.bytes.resize(static_cast<std::size_t>(shape.elements()) * size_of(dtype));
  return tensor.bytes;
}

std::span<float> put_floats(TensorMap& tensors, std::string_view name, Shape shape) {
  const std::span<std::byte> bytes = put(tensors, name, DType::f32, shape);
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

void save_checkpoint(const fs::path& folder, const Snapshot& snapshot, int keep) {
  require(keep >= 1, ExitCode::internal, folder.string(), "keeps {} checkpoints", keep);
  create_folder(folder);
  const std::uint64_t step = snapshot.progress.step;
  const fs::path temporary = beside(folder, step, "tmp");
  fs::path replaced;
  remove_tree(temporary);
  try {
    write_checkpoint(temporary, snapshot);
    replaced = publish(temporary, folder / step_name(step), beside(folder, step, "trash"));
  } catch (const std::exception& error) {
    remove_tree(temporary);
    const auto* known = dynamic_cast<const Error*>(&error);
    if (known && known->code() == ExitCode::storage) throw;
    fail(ExitCode::storage, folder.string(), "cannot save step {}: {}", step, error.what());
  }
  sync_folder(folder);
  if (!replaced.empty()) remove_tree(replaced);
  prune(folder, step, keep);
}

void clean_checkpoints(const fs::path& folder) {
  for (const std::string& name : names_in(folder)) {
    const auto dot = name.find('.');
    if (dot == std::string::npos || !step_of(name.substr(0, dot))) continue;
    const std::string_view rest = std::string_view(name).substr(dot);
    if (rest.starts_with(".tmp.") || rest.starts_with(".trash.")) remove_tree(folder / name);
  }
}

LoadedCheckpoint load_checkpoint(const fs::path& step_folder) {
  const fs::path manifest_path = step_folder / manifest_file;
  const std::string text = read_file(manifest_path, max_manifest);
  const Manifest manifest = parse_manifest(text, manifest_path);
  const auto check = [](const fs::path& path, const WrittenFile& found,
                        const WrittenFile& expected) {
    require(found.bytes == expected.bytes, ExitCode::data, path.string(),
            "has {} bytes, the manifest says {}", found.bytes, expected.bytes);
    require(found.sha256 == expected.sha256, ExitCode::data, path.string(),
            "is damaged: SHA-256 {}, the manifest says {}", found.sha256, expected.sha256);
  };
  const fs::path progress_path = step_folder / progress_file;
  const std::string progress = read_file(progress_path, max_progress);
  check(progress_path, {progress.size(), Sha256().update(progress).hex()}, manifest.progress);
  LoadedCheckpoint loaded{step_folder,
                          Sha256().update(text).hex(),
                          parse_progress(progress, progress_path),
                          Safetensors(step_folder / model_file),
                          Safetensors(step_folder / state_file),
                          std::nullopt};
  check(loaded.model.path(), loaded.model.identity(), manifest.model);
  check(loaded.state.path(), loaded.state.identity(), manifest.state);
  if (manifest.average) {
    loaded.average.emplace(step_folder / average_file);
    check(loaded.average->path(), loaded.average->identity(), *manifest.average);
  }
  require(loaded.progress.step == manifest.step, ExitCode::data, manifest_path.string(),
          "is of step {}, but {} is of step {}", manifest.step, progress_file,
          loaded.progress.step);
  return loaded;
}

std::optional<LoadedCheckpoint> load_newest(const fs::path& folder) {
  const std::vector<std::uint64_t> steps = steps_in(folder);
  std::string last;
  for (const std::uint64_t step : steps) {
    try {
      LoadedCheckpoint loaded = load_checkpoint(folder / step_name(step));
      require(loaded.progress.step == step, ExitCode::data, loaded.folder.string(), "holds step {}",
              loaded.progress.step);
      if (step != steps.front()) {
        log_warning("{}: going back to step {}, the newest whole checkpoint", folder.string(),
                    step);
      }
      return loaded;
    } catch (const Error& error) {
      last = error.what();
      log_warning("checkpoint not used: {}", last);
    }
  }
  require(steps.empty(), ExitCode::data, folder.string(),
          "has {} checkpoints, none of them whole; the last tried: {}", steps.size(), last);
  return std::nullopt;
}

LoadedCheckpoint find_checkpoint(const fs::path& source) {
  if (fs::exists(source / manifest_file)) return load_checkpoint(source);
  std::optional<LoadedCheckpoint> newest = load_newest(source / "checkpoints");
  require(newest.has_value(), ExitCode::data, source.string(),
          "has no checkpoint, expected a run folder or a checkpoint's folder");
  return std::move(*newest);
}

}  // namespace convoy
