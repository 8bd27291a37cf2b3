#include "data/sources/table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

#include "data/sources/files.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

class TableParser {
 public:
  TableParser(std::string_view text, std::string_view place) : text_(text), place_(place) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    const std::string_view first_line = text_.substr(0, text_.find('\n'));
    separator_ = first_line.find('\t') == std::string_view::npos ? ',' : '\t';
  }

  std::vector<TableRow> run() {
    while (at_ < text_.size()) {
      if (take_line_end()) continue;  // an empty line
      take_row();
    }
    return std::move(rows_);
  }

 private:
  void take_row() {
    TableRow row{.line = line_, .fields = {}};
    do {
      row.fields.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
      if (has_control_characters(row.fields.back())) fail_at(row.line, "has a control character");
    } while (take(separator_));
    if (at_ < text_.size() && !take_line_end()) {
      fail_at(line_, "goes on after a quoted field: expected a separator or the line's end");
    }
    if (!rows_.empty() && row.fields.size() != rows_[0].fields.size()) {
      fail_at(row.line, fmt::format("has {} columns, line {} has {}", row.fields.size(),
                                    rows_[0].line, rows_[0].fields.size()));
    }
    rows_.push_back(std::move(row));
  }

  std::string plain() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') ++at_;
    std::string_view field = text_.substr(begin, at_ - begin);
    const bool line_ends = at_ == text_.size() || text_[at_] == '\n';
    if (line_ends && field.ends_with('\r')) field.remove_suffix(1);
    if (field.find('"') != std::string_view::npos) {
      fail_at(line_, "has a quote inside a field that does not begin with one");
    }
    return std::string(field);
  }

  std::string quoted() {
    const std::size_t begun = line_;
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '"') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '"') return field;
      }
      field += text_[at_];
    }
    fail_at(begun, "has a quote that is never closed");
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_line_end() {
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with('\n') && !rest.starts_with("\r\n")) return false;
    at_ += rest[0] == '\r' ? 2 : 1;
    ++line_;
    return true;
  }
  [[noreturn]] void fail_at(std::size_t line, std::string_view what) const {
    fail(ExitCode::data, fmt::format("{}:{}", place_, line), "{}", what);
  }

  std::string_view text_;
  std::string_view place_;
  char separator_;
  std::size_t at_ = 0, line_ = 1;
  std::vector<TableRow> rows_;
};

constexpr std::array<std::string_view, 9> usual_paths{
    "path", "file", "filename", "file_name", "image", "image_path", "image_id", "name", "id"};
constexpr std::array<std::string_view, 8> usual_labels{"label",  "class",  "class_name", "category",
                                                       "target", "synset", "class_id",   "y"};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The first column that bears one of the names.
std::size_t column_of(const TableRow& header, std::span<const std::string_view> names) {
  for (std::size_t i = 0; i < header.fields.size(); ++i) {
    if (std::ranges::count(names, lower(header.fields[i])) > 0) return i;
  }
  return TableColumns::none;
}

}  // namespace

std::vector<TableRow> parse_table(std::string_view text, std::string_view place) {
  return TableParser(text, place).run();
}

TableColumns find_columns(const std::vector<TableRow>& rows, const std::string& names,
                          std::string_view place) {
  require(!rows.empty(), ExitCode::data, place, "has no rows");
  const TableRow& first = rows[0];
  const std::string at = fmt::format("{}:{}", place, first.line);
  TableColumns columns{.header = true};
  if (!names.empty()) {
    const auto find = [&](const std::string& name) {
      const auto found = std::ranges::find(first.fields, name);
      require(found != first.fields.end(), ExitCode::data, at, "no column is called {}", name);
      return static_cast<std::size_t>(found - first.fields.begin());
    };
    const std::size_t comma = names.find(',');
    columns.path = find(names.substr(0, comma));
    if (comma != std::string::npos) columns.label = find(names.substr(comma + 1));
    return columns;
  }
  columns.path = column_of(first, usual_paths);
  columns.label = column_of(first, usual_labels);
  if (first.fields.size() == 1) {
    columns.header = columns.path != columns.none || columns.label != columns.none;
    return {.header = columns.header};
  }
  if (columns.path != columns.none && columns.label != columns.none) return columns;
  require(first.fields.size() == 2, ExitCode::data, at,
          "has {} columns, none of which are called path and label: which are they?",
          first.fields.size());
  return {.header = false, .path = 0, .label = 1};
}

}  // namespace convoy
