// Table: text of rows and columns, as in CSV and TSV files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

struct TableRow {
  std::size_t line;  // where it begins, from 1 on
  std::vector<std::string> fields;
};

// Rows as RFC 4180 has them (fields in quotes may hold separators, line ends and doubled quotes;
// lines end in LF or CRLF), between tabs if the first line has any, else between commas. Empty
// lines and a byte order mark are passed over. Takes any bytes: Error(data) "PLACE:LINE: ..." for
// quotes that do not pair, control characters, and rows of other lengths than the first.
std::vector<TableRow> parse_table(std::string_view text, std::string_view place);

// Which columns hold what. `label` is `none` where there are no labels.
struct TableColumns {
  static constexpr std::size_t none = ~std::size_t{0};
  bool header = false;  // the first row names the columns
  std::size_t path = 0;
  std::size_t label = none;
};

// `names` is "PATH,LABEL" or "PATH", the header's names of the columns; empty: by a header that
// has usual names (path, file, filename, image ...; label, class, target ...), else the first
// column and the second, if there is one. Error(data) for a table of other columns.
TableColumns find_columns(const std::vector<TableRow>& rows, const std::string& names,
                          std::string_view place);

}  // namespace convoy
