// Files and their labels: by folder, by a table, or none.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "data/sources/kinds.h"
#include "data/sources/table.h"
#include "ops/core/check.h"
#include "ops/core/file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t max_classes = 1'000'000;  // where numbers alone say how many there are

// A file and what is said to be its label, from one row of a table.
struct Listed {
  std::size_t line;
  std::string path;  // empty in a table of labels alone
  std::string label;
};

struct List {
  fs::path path;
  bool labels = false;  // has it any?
  std::vector<Listed> rows;

  std::string place(const Listed& row) const {
    return fmt::format("{}:{}", path.string(), row.line);
  }
};

// `one_column` says what a table of one column holds: paths or labels.
enum class OneColumn { paths, labels };

List read_list(const fs::path& path, const std::string& names, OneColumn one_column) {
  const std::string text = read_file(path, max_file_bytes);
  std::vector<TableRow> rows = parse_table(text, path.string());
  const TableColumns columns = find_columns(rows, names, path.string());
  const bool only_labels = one_column == OneColumn::labels && columns.label == columns.none;
  List list{.path = path, .labels = only_labels || columns.label != columns.none};
  for (std::size_t i = columns.header ? 1 : 0; i < rows.size(); ++i) {
    std::vector<std::string>& fields = rows[i].fields;
    Listed row{.line = rows[i].line};
    if (only_labels) {
      row.label = std::move(fields[columns.path]);
    } else {
      row.path = std::move(fields[columns.path]);
      require(!row.path.empty(), ExitCode::data, list.place(row), "names no file");
      if (columns.label != columns.none) row.label = std::move(fields[columns.label]);
    }
    require(!list.labels || !row.label.empty(), ExitCode::data, list.place(row), "gives no label");
    list.rows.push_back(std::move(row));
  }
  require(!list.rows.empty(), ExitCode::data, path.string(), "has no rows");
  return list;
}

// The number that a label is, written as numbers are ("007" is a name).
std::optional<std::int32_t> number_of(const std::string& label) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), number);
  const bool whole = error == std::errc() && end == label.data() + label.size() && number >= 0;
  return whole && std::to_string(number) == label ? std::optional(number) : std::nullopt;
}

// Labels as the table `path` says them become those it translates them to.
void translate(List& list, const fs::path& path) {
  if (path.empty()) return;
  const List map = read_list(path, "", OneColumn::paths);
  require(map.labels, ExitCode::data, path.string(), "has one column, expected two");
  std::unordered_map<std::string, std::string> classes;
  for (const Listed& row : map.rows) {
    require(classes.emplace(row.path, row.label).second, ExitCode::data, map.place(row),
            "translates {} again", row.path);
  }
  for (Listed& row : list.rows) {
    const auto found = classes.find(row.label);
    require(found != classes.end(), ExitCode::data, list.place(row), "label {} is not in {}",
            row.label, path.string());
    row.label = found->second;
  }
}

class FileSource : public Source {
 public:
  explicit FileSource(std::unique_ptr<Files> files) : files_(std::move(files)) {
    events_ = files_->events();
  }

  std::string name(std::uint64_t i) const override { return files_->name(order_[i]); }
  std::string place(std::uint64_t i) const override { return files_->place(name(i)); }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    return files_->read(order_[i], buffer);
  }
  void stamp(Sha256& digest) const override { files_->stamp(digest); }

  void leave_unlabelled(const std::vector<std::string>& class_names) {
    class_names_ = class_names;
    for (std::uint64_t i = 0; i < files_->size(); ++i) add(i, -1);
  }

  // Class by class, in byte order of the names.
  void label_by_folder(const std::string& where, const std::vector<std::string>& imposed) {
    const std::set<std::string>& folders = files_->folders();
    class_names_ = imposed.empty() ? std::vector(folders.begin(), folders.end()) : imposed;
    const auto numbers = numbers_of_classes();
    for (const std::string& folder : folders) {
      require(numbers.contains(folder), ExitCode::data, files_->place(folder),
              "is none of the {} classes of this data set", class_names_.size());
    }
    std::vector<std::vector<std::uint64_t>> members(class_names_.size());
    for (std::uint64_t i = 0; i < files_->size(); ++i) {
      const std::string& name = files_->name(i);
      const std::size_t slash = name.find('/');
      if (slash == std::string::npos) {
        events_.push_back(
            fmt::format("{}: ignored: it is in no class folder", files_->place(name)));
      } else {
        members[static_cast<std::size_t>(numbers.at(name.substr(0, slash)))].push_back(i);
      }
    }
    std::vector<std::string> empty;
    for (std::size_t label = 0; label < members.size(); ++label) {
      for (const std::uint64_t file : members[label]) add(file, static_cast<std::int32_t>(label));
      if (members[label].empty()) empty.push_back(files_->place(class_names_[label]));
    }
    require(!order_.empty(), ExitCode::data, where, "has no file in any class folder");
    report_empty_classes(where, empty);
  }

  // In the order of the list.
  void label_by_list(const std::string& where, const List& list,
                     const std::vector<std::string>& imposed) {
    if (list.rows[0].path.empty()) {
      require(list.rows.size() == files_->size(), ExitCode::data, list.path.string(),
              "holds {} labels, {} has {} files", list.rows.size(), where, files_->size());
      for (std::uint64_t i = 0; i < files_->size(); ++i) order_.push_back(i);
    } else {
      find_files(where, list);
    }
    label_rows(list, imposed);
  }

  // The files are those of the list.
  void label_rows(const List& list, const std::vector<std::string>& imposed) {
    if (order_.empty()) {
      for (std::uint64_t i = 0; i < list.rows.size(); ++i) order_.push_back(i);
    }
    class_names_ = imposed.empty() && list.labels ? classes_of(list) : imposed;
    labels_.assign(list.rows.size(), -1);
    const auto numbers = numbers_of_classes();
    for (std::size_t i = 0; i < list.rows.size() && list.labels; ++i) {
      const Listed& row = list.rows[i];
      const auto named = numbers.find(row.label);
      const std::int32_t label =
          named != numbers.end() ? named->second : number_of(row.label).value_or(-1);
      require(label >= 0 && label < static_cast<std::int64_t>(class_names_.size()), ExitCode::data,
              list.place(row), "label {} is none of the {} classes: neither a name nor 0 to {}",
              row.label, class_names_.size(), class_names_.size() - 1);
      labels_[i] = label;
    }
  }

 private:
  void add(std::uint64_t file, std::int32_t label) {
    order_.push_back(file);
    labels_.push_back(label);
  }

  std::unordered_map<std::string, std::int32_t> numbers_of_classes() const {
    std::unordered_map<std::string, std::int32_t> numbers;
    for (std::size_t i = 0; i < class_names_.size(); ++i) {
      numbers.emplace(class_names_[i], static_cast<std::int32_t>(i));
    }
    return numbers;
  }

  // One by one, unless they are many: part of a large list of classes.
  void report_empty_classes(const std::string& where, const std::vector<std::string>& empty) {
    constexpr std::size_t few = 5;
    if (empty.size() > few) {
      events_.push_back(fmt::format("{}: {} of {} classes have no files, {} the first of them",
                                    where, empty.size(), class_names_.size(), empty.front()));
      return;
    }
    for (const std::string& folder : empty) {
      events_.push_back(fmt::format("{}: a class without files", folder));
    }
  }

  // The file of each row.
  void find_files(const std::string& where, const List& list) {
    std::unordered_map<std::string_view, std::uint64_t> files;
    for (std::uint64_t i = 0; i < files_->size(); ++i) files.emplace(files_->name(i), i);
    std::vector<bool> used(files_->size());
    for (const Listed& row : list.rows) {
      std::string_view path = row.path;
      while (path.starts_with("./")) path.remove_prefix(2);
      const auto found = files.find(path);
      require(found != files.end(), ExitCode::data, list.place(row),
              "names {}, which {} does not hold", row.path, where);
      require(!used[found->second], ExitCode::data, list.place(row), "names {} again", row.path);
      used[found->second] = true;
      order_.push_back(found->second);
    }
    const auto unnamed = std::ranges::find(used, false);
    if (unnamed == used.end()) return;
    events_.push_back(
        fmt::format("{}: left out, as are {} more files: {} does not name it",
                    files_->place(files_->name(static_cast<std::uint64_t>(unnamed - used.begin()))),
                    std::ranges::count(used, false) - 1, list.path.string()));
  }

  static std::vector<std::string> classes_of(const List& list) {
    std::set<std::string> names;
    std::int32_t largest = -1;
    for (const Listed& row : list.rows) {
      names.insert(row.label);
      const auto number = number_of(row.label);
      if (!number) largest = max_classes;
      largest = std::max(largest, number.value_or(max_classes));
    }
    if (largest >= max_classes) return {names.begin(), names.end()};
    std::vector<std::string> classes;
    for (std::int32_t i = 0; i <= largest; ++i) classes.push_back(std::to_string(i));
    return classes;
  }

  std::unique_ptr<Files> files_;
  std::vector<std::uint64_t> order_;  // the file of each sample
};

// Of folders called as parts of data sets are, somebody meant the one or the other.
void require_classes(const Files& files, const std::string& where) {
  constexpr std::array<std::string_view, 7> parts{"train", "training",   "val",    "valid",
                                                  "test",  "validation", "testing"};
  const std::set<std::string>& folders = files.folders();
  const bool all = std::ranges::all_of(
      folders, [&](const std::string& folder) { return std::ranges::count(parts, folder) > 0; });
  if (!all || folders.empty()) return;
  std::string names;
  for (const std::string& folder : folders) names += (names.empty() ? "" : ", ") + folder;
  fail(ExitCode::usage, where, "has the folders {}: which of them, by --inside?", names);
}

}  // namespace

std::unique_ptr<Source> labelled_files(std::unique_ptr<Files> files, const SourceOptions& options) {
  const std::string where = options.path.string();
  const Files& all = *files;
  auto source = std::make_unique<FileSource>(std::move(files));
  const bool flat = all.folders().empty();
  require(!flat || all.size() > 0, ExitCode::data, where, "has no class folders and no files");
  if (options.unlabelled) {
    source->leave_unlabelled(options.class_names);
  } else if (!options.labels.empty()) {
    List list = read_list(options.labels, options.columns, OneColumn::labels);
    translate(list, options.label_map);
    source->label_by_list(where, list, options.class_names);
  } else if (flat) {
    source->leave_unlabelled(options.class_names);
  } else {
    require_classes(all, where);
    source->label_by_folder(where, options.class_names);
  }
  return source;
}

std::unique_ptr<Source> listed_files(const SourceOptions& options) {
  require(options.labels.empty(), ExitCode::usage, options.path.string(),
          "is a table with the labels in it: {} is one too many", options.labels.string());
  List list = read_list(options.path, options.columns, OneColumn::paths);
  if (options.unlabelled) list.labels = false;
  if (list.labels) translate(list, options.label_map);
  std::vector<std::string> paths;
  for (const Listed& row : list.rows) paths.push_back(row.path);
  const fs::path base = options.path.parent_path() / options.inside;
  auto source = std::make_unique<FileSource>(files_of_paths(base, std::move(paths)));
  source->label_rows(list, options.class_names);
  return source;
}

}  // namespace convoy
