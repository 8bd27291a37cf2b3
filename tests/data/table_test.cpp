// Tables: RFC 4180, and text that only looks like it.
#include "data/sources/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/files.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<std::vector<std::string>> fields_of(const std::string& text) {
  std::vector<std::vector<std::string>> all;
  for (const TableRow& row : parse_table(text, "t.csv")) all.push_back(row.fields);
  return all;
}
std::string error(const std::string& text) {
  return error_of(ExitCode::data, [&] { parse_table(text, "t.csv"); });
}

TEST(Table, ReadsCsv) {
  EXPECT_THAT(fields_of("a,b\nc,d"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(fields_of("\xEF\xBB\xBF"
                        "a,b\r\n\r\nc,\r\n"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "")));
  EXPECT_THAT(fields_of("\"a,\"\"1\"\"\",b\n\"\",\"c\"\n"),
              ElementsAre(ElementsAre("a,\"1\"", "b"), ElementsAre("", "c")));
  EXPECT_THAT(fields_of("one\ntwo\n"), ElementsAre(ElementsAre("one"), ElementsAre("two")));
  EXPECT_THAT(fields_of(""), IsEmpty());
  EXPECT_THAT(fields_of("\n\r\n"), IsEmpty());
}

TEST(Table, ReadsTsv) {
  EXPECT_THAT(fields_of("a, b\tc\nd\te,f\n"),
              ElementsAre(ElementsAre("a, b", "c"), ElementsAre("d", "e,f")));
}

TEST(Table, CountsLines) {
  const auto rows = parse_table("a,b\n\n\nc,d\n", "t.csv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].line, 4u);
}

TEST(Table, NamesTheLine) {
  EXPECT_THAT(error("a,b\nc\n"), StartsWith("t.csv:2: has 1 columns, line 1 has 2"));
  EXPECT_THAT(error("a,b\n\nc,d,e"), StartsWith("t.csv:3: has 3 columns"));
  EXPECT_THAT(error("a,\"b\nc,d\n"), StartsWith("t.csv:1: has a quote that is never closed"));
  EXPECT_THAT(error("a,\"b\"c\n"), StartsWith("t.csv:1: goes on after a quoted field"));
  EXPECT_THAT(error("x,y\na,b\"c\n"), StartsWith("t.csv:2: has a quote inside a field"));
  EXPECT_THAT(error(std::string("a,b\nc,\0d\n", 9)), StartsWith("t.csv:2: has a control"));
  EXPECT_THAT(error("a,b\n\"c\nd\",e\n"), StartsWith("t.csv:2: has a control"));
  EXPECT_THAT(error("a,b\rc\n"), StartsWith("t.csv:1: has a control"));
}

TableColumns columns_of(const std::string& text, const std::string& names = "") {
  return find_columns(parse_table(text, "t.csv"), names, "t.csv");
}

TEST(Table, FindsColumns) {
  const TableColumns plain = columns_of("a.jpg,cat\nb.jpg,dog\n");
  EXPECT_FALSE(plain.header);
  EXPECT_EQ(plain.path, 0u);
  EXPECT_EQ(plain.label, 1u);
  const TableColumns named = columns_of("Label,size,FileName\ncat,3,a.jpg\n");
  EXPECT_TRUE(named.header);
  EXPECT_EQ(named.path, 2u);
  EXPECT_EQ(named.label, 0u);
  const TableColumns chosen = columns_of("who,what,where\na,b,c\n", "where,who");
  EXPECT_TRUE(chosen.header);
  EXPECT_EQ(chosen.path, 2u);
  EXPECT_EQ(chosen.label, 0u);
  EXPECT_EQ(columns_of("who,what\na,b\n", "what").label, TableColumns::none);
  EXPECT_EQ(columns_of("a.jpg\nb.jpg\n").label, TableColumns::none);
  EXPECT_FALSE(columns_of("a.jpg\nb.jpg\n").header);
  EXPECT_TRUE(columns_of("path\nb.jpg\n").header);
  EXPECT_THAT(error_of(ExitCode::data, [] { columns_of("a,b,c\n"); }),
              HasSubstr("t.csv:1: has 3 columns, none of which are called path and label"));
  EXPECT_THAT(error_of(ExitCode::data, [] { columns_of("a,b\n", "a,c"); }),
              HasSubstr("t.csv:1: no column is called c"));
  EXPECT_THAT(error_of(ExitCode::data, [] { columns_of(""); }), HasSubstr("t.csv: has no rows"));
}

}  // namespace
}  // namespace convoy
