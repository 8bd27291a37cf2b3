// The house rules that a program can check, over all sources: floors, homes of third-party headers,
// sizes of files, conditional compilation, opening comments. Each check is also seen to find a
// violation that was planted.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {
namespace {

struct Source {
  std::string path;  // from the root, "ops/conv.cpp"
  std::string text;
};

using Findings = std::vector<std::string>;  // "path:line: what is wrong"

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

template <class Prefixes>
bool starts_with_any(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

struct Include {
  std::size_t line;
  bool ours;  // "quoted"
  std::string_view path;
};

std::vector<Include> includes_of(const Source& source) {
  constexpr std::string_view directive = "#include ";
  std::vector<Include> includes;
  const auto lines = lines_of(source.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with(directive) && lines[i].size() > directive.size()) {
      const auto path = lines[i].substr(directive.size() + 1);
      includes.push_back({.line = i + 1,
                          .ours = lines[i][directive.size()] == '"',
                          .path = path.substr(0, path.find_first_of(">\""))});
    }
  }
  return includes;
}

// A floor and what its files may include of ours. The first that a path starts with is its floor.
struct Floor {
  std::string_view folder;
  std::vector<std::string_view> below;
};

const std::array floors = {
    Floor{"ops/core/", {"ops/core/"}},
    Floor{"ops/", {"ops/"}},
    Floor{"data/", {"data/", "ops/core/"}},
    Floor{"cluster/", {"cluster/", "ops/core/"}},
    Floor{"trainer/", {"trainer/", "data/", "cluster/", "ops/"}},
    Floor{"tests/", {"tests/", "trainer/", "data/", "cluster/", "ops/"}},
    Floor{"benchmarks/", {"benchmarks/", "tests/", "trainer/", "data/", "cluster/", "ops/"}},
};

Findings check_floors(const Source& source) {
  const auto floor = std::find_if(floors.begin(), floors.end(), [&](const Floor& candidate) {
    return source.path.starts_with(candidate.folder);
  });
  if (floor == floors.end()) {
    return {fmt::format("{}:1: stands on no floor", source.path)};
  }
  Findings findings;
  for (const Include& include : includes_of(source)) {
    if (include.ours && !starts_with_any(include.path, floor->below)) {
      findings.push_back(fmt::format("{}:{}: {} may not include \"{}\"", source.path, include.line,
                                     floor->folder, include.path));
    }
  }
  return findings;
}

// The one place that knows a third-party header. Tests and benchmarks may use all.
struct Home {
  std::string_view header;
  std::string_view place;
};

constexpr std::array homes = {
    Home{"openssl/", "ops/core/checksum.cpp"},
    Home{"spdlog/", "ops/core/log.cpp"},
    Home{"oneapi/", "ops/onednn/"},
    Home{"dnnl", "ops/onednn/"},
    Home{"cudnn", "ops/cudnn/"},
    Home{"mpi.h", "cluster/mpi/"},
    Home{"nccl.h", "cluster/nccl/"},
    Home{"hdf5", "data/hdf5"},
    Home{"H5", "data/hdf5"},
    Home{"jpeglib.h", "data/"},
    Home{"turbojpeg.h", "data/"},
    Home{"png.h", "data/"},
    Home{"zlib.h", "data/"},
    Home{"yaml-cpp/", "trainer/config"},
    Home{"boost/program_options", "trainer/"},
};

Findings check_homes(const Source& source) {
  if (starts_with_any(source.path, std::array{"tests/", "benchmarks/"})) {
    return {};
  }
  Findings findings;
  for (const Include& include : includes_of(source)) {
    for (const Home& home : homes) {
      if (!include.ours && include.path.starts_with(home.header) &&
          !source.path.starts_with(home.place)) {
        findings.push_back(fmt::format("{}:{}: only {} may include <{}>", source.path, include.line,
                                       home.place, include.path));
      }
    }
  }
  return findings;
}

constexpr std::size_t lines_wished = 400;
constexpr std::size_t lines_limit = 800;

Findings check_size(const Source& source, std::size_t limit) {
  const auto lines = lines_of(source.text).size();
  if (lines <= limit) {
    return {};
  }
  return {fmt::format("{}:{}: {} lines, more than {}", source.path, limit + 1, lines, limit)};
}

// The text with comments and literals blanked out; line ends stay.
std::string code_of(std::string_view text) {
  std::string code(text);
  const auto blank = [&](std::size_t from, std::string_view close, bool escapes) {
    for (std::size_t i = from; i < code.size(); ++i) {
      if (code.compare(i, close.size(), close) == 0) {
        return i + close.size();
      }
      if (escapes && code[i] == '\\') {
        code[i++] = ' ';
      }
      if (i < code.size() && code[i] != '\n') {
        code[i] = ' ';
      }
    }
    return code.size();
  };
  const auto is_separator = [&](std::size_t i) {  // the quotes of 1'000'000
    return i > 0 && std::isalnum(static_cast<unsigned char>(code[i - 1])) != 0;
  };
  for (std::size_t i = 0; i < code.size();) {
    const std::string rest = code.substr(i, 32);
    if (rest.starts_with("//")) {
      i = blank(i, "\n", false);
    } else if (rest.starts_with("/*")) {
      i = blank(i, "*/", false);
    } else if (rest.starts_with("R\"")) {
      const auto open = rest.find('(');
      i = blank(i + 1, ")" + rest.substr(2, open - 2) + "\"", false);
    } else if (rest[0] == '"') {
      i = blank(i + 1, "\"", true);
    } else if (rest[0] == '\'' && !is_separator(i)) {
      i = blank(i + 1, "'", true);
    } else {
      ++i;
    }
  }
  return code;
}

// #if and its kin inside braces that are not a namespace's, so inside a function or a class. In
// ops/core they may stand: that is where compilers differ.
Findings check_conditionals(const Source& source) {
  if (source.path.starts_with("ops/core/")) {
    return {};
  }
  Findings findings;
  std::vector<bool> braces;  // the open ones: is it a namespace's?
  std::string statement;     // since the last brace or semicolon
  const std::string code = code_of(source.text);
  const auto lines = lines_of(code);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with('#')) {
      if (lines[i].starts_with("#if") && std::count(braces.begin(), braces.end(), false) > 0) {
        findings.push_back(fmt::format("{}:{}: {} inside a function or class", source.path, i + 1,
                                       lines[i].substr(0, lines[i].find(' '))));
      }
      continue;
    }
    for (const char c : lines[i]) {
      if (c == '{') {
        braces.push_back(statement.find("namespace") != statement.npos);
      } else if (c == '}' && !braces.empty()) {
        braces.pop_back();
      }
      statement = c == '{' || c == '}' || c == ';' ? "" : statement + c;
    }
    statement += ' ';
  }
  return findings;
}

// A source whose header stands beside it is introduced there, and opens with including it.
Findings check_opening(const Source& source) {
  Findings findings;
  const std::string header = source.path.substr(0, source.path.rfind('.')) + ".h";
  if (!source.text.starts_with("// ") &&
      !source.text.starts_with(fmt::format("#include \"{}\"\n", header))) {
    findings.push_back(source.path + ":1: does not open with a comment that says what it is for");
  }
  if (source.path.ends_with(".h") && source.text.find("\n#pragma once\n") == source.text.npos) {
    findings.push_back(source.path + ":1: has no #pragma once");
  }
  return findings;
}

std::vector<Source> all_sources() {
  namespace fs = std::filesystem;
  const fs::path root = CONVOY_SOURCE_DIR;
  std::vector<Source> sources;
  for (const char* folder : {"ops", "data", "cluster", "trainer", "tests", "benchmarks"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() == ".h" || path.extension() == ".cpp" || path.extension() == ".cu") {
        std::ifstream file(path, std::ios::binary);
        sources.push_back({fs::relative(path, root).generic_string(),
                           {std::istreambuf_iterator<char>(file), {}}});
      }
    }
  }
  return sources;
}

template <class Check>
void expect_none(const Check& check) {
  for (const Source& source : all_sources()) {
    for (const std::string& finding : check(source)) {
      ADD_FAILURE() << finding;
    }
  }
}

TEST(Style, SourcesAreFound) {
  const auto sources = all_sources();
  const auto has = [&](std::string_view path) {
    return std::any_of(sources.begin(), sources.end(),
                       [&](const Source& source) { return source.path == path; });
  };
  EXPECT_TRUE(has("ops/core/check.h"));
  EXPECT_TRUE(has("tests/style_test.cpp"));
}

TEST(Style, NothingIncludesUpward) {
  const auto finds = [](std::string path, std::string text) {
    return !check_floors({std::move(path), std::move(text)}).empty();
  };
  EXPECT_TRUE(finds("ops/core/arena.h", "#include \"ops/graph.h\"\n"));
  EXPECT_TRUE(finds("ops/plan.cpp", "#include \"cluster/reducer.h\"\n"));
  EXPECT_TRUE(finds("data/loader.cpp", "\n\n#include \"ops/graph.h\"  // why\n"));
  EXPECT_TRUE(finds("data/loader.cpp", "#include \"cluster/communicator.h\"\n"));
  EXPECT_TRUE(finds("cluster/lanes.cpp", "#include \"data/sampler.h\"\n"));
  EXPECT_TRUE(finds("trainer/loop.cpp", "#include \"tests/support/files.h\"\n"));
  EXPECT_TRUE(finds("trainer/loop.cpp", "#include \"session.h\"\n"));  // not from the root
  EXPECT_TRUE(finds("util/strings.h", ""));
  EXPECT_FALSE(finds("data/loader.cpp", "#include \"ops/core/check.h\"\n#include <vector>\n"));
  EXPECT_FALSE(finds("trainer/loop.cpp", "#include \"cluster/reducer.h\"\n"));
  expect_none(check_floors);
}

TEST(Style, ThirdPartyHeadersStayHome) {
  const auto finds = [](std::string path, std::string text) {
    return !check_homes({std::move(path), std::move(text)}).empty();
  };
  EXPECT_TRUE(finds("trainer/loop.cpp", "#include <mpi.h>\n"));
  EXPECT_TRUE(finds("ops/plan.cpp", "#include <oneapi/dnnl/dnnl.hpp>\n"));
  EXPECT_TRUE(finds("data/shard.cpp", "#include <hdf5.h>\n"));
  EXPECT_TRUE(finds("trainer/main.cpp", "#include <yaml-cpp/yaml.h>\n"));
  EXPECT_FALSE(finds("cluster/mpi/communicator.cpp", "#include <mpi.h>\n"));
  EXPECT_FALSE(finds("tests/data/shard_test.cpp", "#include <hdf5.h>\n"));
  expect_none(check_homes);
}

TEST(Style, FilesAreShort) {
  std::string text = "// A file of 801 lines.\n";
  for (std::size_t i = 0; i < lines_limit; ++i) {
    text += "\n";
  }
  EXPECT_EQ(check_size({"ops/long.cpp", text}, lines_limit),
            Findings{"ops/long.cpp:801: 801 lines, more than 800"});
  EXPECT_TRUE(check_size({"ops/long.cpp", text.substr(1 + text.find('\n'))}, lines_limit).empty());
  expect_none([](const Source& source) { return check_size(source, lines_limit); });
  for (const Source& source : all_sources()) {
    for (const std::string& finding : check_size(source, lines_wished)) {
      fmt::print("warning: {}\n", finding);
    }
  }
}

TEST(Style, FunctionsAreNotCompiledConditionally) {
  const auto finds = [](std::string path, std::string text) {
    return !check_conditionals({std::move(path), std::move(text)}).empty();
  };
  const std::string bad =
      "namespace convoy {\nint f(char c) {\n  if (c == '}' || 1'0 > 2'0) {}  // }\n"
      "#ifdef FAST\n  return 1;\n#endif\n}\n}\n";
  const std::string good =
      "namespace convoy::{}\nnamespace a {\n#if __GNUC__ > 12\nint f() { return \"{\"[0]; }\n"
      "#endif\nconst char* g() { return R\"(\n#if 0\n{)\"; }\n#ifdef X\n#endif\n}\n";
  EXPECT_TRUE(finds("data/pack.cpp", bad));
  EXPECT_FALSE(finds("ops/core/random.cpp", bad));
  EXPECT_FALSE(finds("data/pack.cpp", good));
  expect_none(check_conditionals);
}

TEST(Style, FilesSayWhatTheyAreFor) {
  EXPECT_EQ(check_opening({"ops/x.cpp", "#include <vector>\n"}).size(), 1u);
  EXPECT_EQ(check_opening({"ops/x.h", "// X: a letter.\n\nint x;\n"}).size(), 1u);
  EXPECT_EQ(check_opening({"ops/x.cpp", "#include \"ops/y.h\"\n"}).size(), 1u);
  EXPECT_TRUE(check_opening({"ops/x.cpp", "#include \"ops/x.h\"\n"}).empty());
  EXPECT_TRUE(check_opening({"ops/x.h", "// X: a letter.\n#pragma once\n"}).empty());
  expect_none(check_opening);
}

}  // namespace
}  // namespace convoy
