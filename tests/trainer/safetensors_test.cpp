// safetensors: what is written is read; whatever lies is refused in one line.
#include "trainer/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/file.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

void put_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// The file of a header and its data.
std::string file_of(std::string_view header, std::string_view data = {}) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text.append(header).append(data);
}

// Expects that `text` is refused: Error(data), one line that names the file and `reason`.
void expect_refused(const std::string& text, const std::string& reason) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "bad.safetensors";
  put_file(path, text);
  try {
    const Safetensors read(path);
    ADD_FAILURE() << "accepted; expected: " << reason;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ExitCode::data) << message;
    EXPECT_TRUE(message.starts_with(path.string())) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 600u) << message;
  }
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The format's own example of a file, byte by byte.
TEST(Safetensors, WritesTheFormat) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  const float weights[] = {1, 2, 3, 4, 5, 6};
  const std::int64_t count = 7;
  const TensorView tensors[] = {
      {"fc.weight", DType::f32, {2, 3}, std::as_bytes(std::span(weights))},
      {"bn.num_batches_tracked", DType::i64, {}, std::as_bytes(std::span(&count, 1))}};
  const WrittenFile written = write_safetensors(path, tensors, {{"format", "pt"}});

  std::string header =
      R"({"__metadata__":{"format":"pt"},)"
      R"("bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}})";
  header.resize(192 - 8, ' ');
  std::string data(reinterpret_cast<const char*>(&count), sizeof count);
  data.append(reinterpret_cast<const char*>(weights), sizeof weights);
  EXPECT_EQ(read_file(path), file_of(header, data));
  EXPECT_EQ(written.bytes, fs::file_size(path));
  EXPECT_EQ(written.sha256, sha256_of_file(path));
}

TEST(Safetensors, RoundTripsRandomTensors) {
  std::mt19937 random(1);
  const auto below = [&](int limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 100; ++round) {
    const TemporaryFolder folder;
    std::vector<std::string> contents(below(12));
    std::vector<TensorView> tensors;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      Shape shape;
      std::vector<std::int64_t> extents(below(Shape::max_rank + 1));
      for (auto& extent : extents) extent = below(5);  // 0 now and then; no extents: a scalar
      shape = Shape(extents);
      const auto dtype = static_cast<DType>(below(6));
      contents[i].resize(static_cast<std::size_t>(shape.elements()) * size_of(dtype));
      for (char& byte : contents[i]) byte = static_cast<char>(random());
      tensors.push_back(
          {fmt::format("t{}.\"\\\xc3\xa9\n", i), dtype, shape, bytes_of(contents[i])});
    }
    const fs::path path = folder.path() / "a.safetensors";
    const Metadata metadata = round % 2 ? Metadata{{"a", "b\"\n"}, {"", ""}} : Metadata{};
    const WrittenFile written = write_safetensors(path, tensors, metadata);

    const Safetensors read(path);
    EXPECT_EQ(read.metadata(), metadata);
    EXPECT_EQ(read.identity(), written);
    ASSERT_EQ(read.tensors().size(), tensors.size());
    for (const TensorView& tensor : tensors) {
      const TensorView* found = read.find(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->dtype, tensor.dtype);
      EXPECT_EQ(found->shape, tensor.shape);
      EXPECT_TRUE(std::ranges::equal(found->bytes, tensor.bytes));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(found->bytes.data()) % size_of(tensor.dtype), 0u);
    }
    EXPECT_EQ(read.find("missing"), nullptr);
  }
}

TEST(Safetensors, OrderOfArrivalDoesNotMatter) {
  const TemporaryFolder folder;
  const std::string data = "12345678";
  std::vector<TensorView> tensors = {{"b", DType::u8, {8}, bytes_of(data)},
                                     {"a", DType::f32, {2}, bytes_of(data)},
                                     {"c", DType::f32, {1, 2}, bytes_of(data)}};
  const auto first = write_safetensors(folder.path() / "1", tensors, {});
  std::ranges::reverse(tensors);
  EXPECT_EQ(write_safetensors(folder.path() / "2", tensors, {}), first);
}

TEST(Safetensors, NeverOverwrites) {
  const TemporaryFolder folder;
  put_file(folder.path() / "a", "mine");
  EXPECT_THROW(write_safetensors(folder.path() / "a", {}, {}), Error);
  EXPECT_EQ(read_file(folder.path() / "a"), "mine");
}

TEST(Safetensors, AcceptsWhatOthersWrite) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  // Members in another order than the data, unaligned data, an empty tensor between two others.
  put_file(path, file_of(R"({"z":{"data_offsets":[3,7],"shape":[1],"dtype":"F32"},)"
                         R"("e":{"dtype":"F32","shape":[4,0],"data_offsets":[3,3]},)"
                         R"("y":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}} )",
                         std::string("abc\x00\x00\x80\x3f", 7)));
  const Safetensors read(path);
  ASSERT_EQ(read.tensors().size(), 3u);
  EXPECT_EQ(read.tensors()[0].name, "y");
  EXPECT_EQ(read.tensors()[1].name, "e");
  EXPECT_EQ(read.find("z")->bytes.size(), 4u);
  put_file(path, file_of("{}"));
  EXPECT_TRUE(Safetensors(path).tensors().empty());
}

TEST(Safetensors, RefusesLengthsThatLie) {
  const std::string good =
      file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "1234");
  expect_refused("", "too few");
  expect_refused(good.substr(0, 7), "too few");
  for (std::size_t cut = 8; cut < good.size(); ++cut) {
    expect_refused(good.substr(0, cut), cut < good.size() - 4 ? "claims a header" : "describes 4");
  }
  expect_refused(good + "x", "holds 5 bytes of tensors, but the header describes 4");
  for (const std::uint64_t length : {~0ull, 1ull << 63, good.size() - 7ull, 100'000'001ull}) {
    std::string lying = good;
    std::memcpy(lying.data(), &length, 8);
    expect_refused(lying, "claims a header");
  }
  std::string shorter = good;
  shorter[0] -= 1;
  expect_refused(shorter, "not JSON");
}

TEST(Safetensors, RefusesOffsetsThatLie) {
  const auto pair = [](std::string_view a, std::string_view b) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                       R"("b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                       a, b);
  };
  const struct {
    const char *a, *b, *reason;
  } cases[] = {
      {"[0,2]", "[1,3]", "expected [2, 4]"},                     // overlap
      {"[0,2]", "[0,2]", "expected [2, 4]"},                     // shared
      {"[0,2]", "[3,5]", "expected [2, 4]"},                     // hole
      {"[1,3]", "[3,5]", "expected [0, 2]"},                     // hole at the start
      {"[0,2]", "[2,3]", "expected [2, 4]"},                     // too short
      {"[0,2]", "[4,2]", "expected [2, 4]"},                     // backwards
      {"[0,2]", "[2,18446744073709551615]", "expected [2, 4]"},  // far outside
      {"[0,2]", "[2]", "lacks"},                                 //
      {"[0,2]", "[2,4,4]", "where it does not belong"},          //
      {"[0,2]", "[2,-4]", "where it does not belong"},           //
      {"[0,2]", "[2,4.0]", "where it does not belong"},          //
      {"[0,2]", "[2,18446744073709551616]", "where it does not belong"},
      {"[0,2]", "[2,[4]]", "where it does not belong"},
      {"[0,2]", "\"[2,4]\"", "where it does not belong"},
      {"[0,2]", "null", "where it does not belong"},
  };
  for (const auto& test : cases) expect_refused(file_of(pair(test.a, test.b), "1234"), test.reason);
}

TEST(Safetensors, RefusesShapesThatLie) {
  const auto tensor = [](std::string_view dtype, std::string_view shape) {
    return file_of(
        fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":[0,4]}}}})", dtype, shape),
        "1234");
  };
  expect_refused(tensor("F32", "[2]"), "tensor \"a\" of 8 bytes");
  expect_refused(tensor("F32", "[4611686018427387905]"), "larger than any memory");  // wraps to 4
  expect_refused(tensor("U8", "[4294967296,4294967296,4]"), "larger than any memory");
  expect_refused(tensor("U8", "[9223372036854775808]"), "larger than any memory");
  expect_refused(tensor("U8", "[0,18446744073709551615]"), "larger than any memory");
  expect_refused(tensor("F32", "[1,1,1,1,1,1]"), "more than 5 dimensions");
  expect_refused(tensor("F32", "[true]"), "where it does not belong");
  expect_refused(tensor("F32", "{}"), "where it does not belong");
  expect_refused(tensor("F64", "[]"), "of dtype \"F64\", expected F32");
  expect_refused(tensor("f32", "[1]"), "of dtype \"f32\"");
}

TEST(Safetensors, RefusesHeadersOfAnotherGrammar) {
  const std::string ok = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  const std::pair<std::string, std::string> cases[] = {
      {"", "does not begin with '{'"},
      {" {}", "does not begin with '{'"},
      {"\xef\xbb\xbf{}", "does not begin with '{'"},
      {"[]", "does not begin with '{'"},
      {"{" + ok + "," + ok + "}", "\"a\" twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", "\"dtype\" twice"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", "\"k\" twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "twice"},
      {R"({"__metadata__":{"k":1}})", "where it does not belong"},
      {R"({"__metadata__":{"k":{}}})", "where it does not belong"},
      {R"({"__metadata__":"k"})", "where it does not belong"},
      {R"({"a":1})", "where it does not belong"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", "the key \"x\""},
      {R"({"a":{"dtype":"U8","shape":[0]}})", "lacks"},
      {R"({"a":{}})", "lacks"},
      {R"({"a":{"dtype":1,"shape":[0],"data_offsets":[0,0]}})", "where it does not belong"},
      {"{" + ok + ",}", "not JSON"},
      {"{" + ok + "}{}", "not JSON"},
      {"{" + ok + "} x", "not JSON"},
      {"{" + ok + "}" + std::string("\0 payload", 9), "NUL"},
      {"{" + ok + "/**/}", "not JSON"},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", "not JSON"},
      {"{\"\xc0\xaf\":1}", "not JSON"},
      {"{\"\\ud800\":1}", "not JSON"},
      {"{\"a\nb\":1}", "not JSON"},
      {"{" + ok, "not JSON"},
      {"{\"a\":" + std::string(1'000'000, '['), "where it does not belong"},
      {R"({"a":{"shape":)" + std::string(1'000'000, '['), "where it does not belong"},
      {"{\"a\":" + std::string(1'000'000, '9') + "}", "not JSON"},
      {"{\"a\":" + std::string(200, '9') + "}", "where it does not belong"},
  };
  for (const auto& [header, reason] : cases) expect_refused(file_of(header), reason);
}

// A name from the file cannot break the line or drown it.
TEST(Safetensors, QuotesNames) {
  expect_refused(file_of(R"({"a\nb\u001b[31m":{}})"), R"("a\nb\u001b[31m")");
  expect_refused(file_of("{\"" + std::string(100'000, 'x') + "\":{}}"), "xxx\"...");
}

// No byte of a good file changed to any other value makes the reader misbehave: it is refused, or
// describes the very bytes that are there.
TEST(Safetensors, SurvivesAnyChangedByte) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  const std::string good = file_of(R"({"__metadata__":{"format":"pt"},)"
                                   R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})",
                                   "12345678");
  int accepted = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      put_file(path, bad);
      try {
        const Safetensors read(path);
        ++accepted;
        std::uint64_t total = 0;
        for (const TensorView& tensor : read.tensors()) {
          EXPECT_EQ(tensor.bytes.size(),
                    static_cast<std::uint64_t>(tensor.shape.elements()) * size_of(tensor.dtype));
          total += tensor.bytes.size();
        }
        EXPECT_EQ(total, 8u);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::data);
      }
    }
  }
  EXPECT_GE(accepted, 8 * 8);  // the data; and letters of names
}

int run_python(const fs::path& script, const fs::path& folder) {
  return std::system(
      fmt::format("cd '{}' && python3 '{}' >out.txt 2>&1", folder.string(), script.string())
          .c_str());
}

// The reference implementation reads our files and we read its.
TEST(Safetensors, AgreesWithPython) {
  const TemporaryFolder folder;
  const fs::path script = folder.path() / "script.py";
  put_file(script, "import numpy, safetensors.numpy\n");
  if (run_python(script, folder.path()) != 0)
    GTEST_SKIP() << "needs python3 with safetensors and numpy";

  const float weights[] = {1.5, -2, 3, 4, 5, 6};
  const std::int64_t count = 7;
  const TensorView tensors[] = {
      {"fc.weight", DType::f32, {2, 3}, std::as_bytes(std::span(weights))},
      {"empty", DType::i32, {0, 3}, {}},
      {"bytes", DType::u8, {3}, std::as_bytes(std::span("abc", 3))},
      {"bn.num_batches_tracked", DType::i64, {}, std::as_bytes(std::span(&count, 1))}};
  write_safetensors(folder.path() / "ours", tensors, {{"format", "pt"}});
  put_file(script, R"(
import numpy as np, safetensors
from safetensors.numpy import load_file, save_file
tensors = load_file("ours")
assert set(tensors) == {"fc.weight", "empty", "bytes", "bn.num_batches_tracked"}, tensors
assert tensors["fc.weight"].dtype == np.float32
assert tensors["fc.weight"].tolist() == [[1.5, -2, 3], [4, 5, 6]]
assert tensors["empty"].shape == (0, 3)
assert tensors["bytes"].tobytes() == b"abc"
assert tensors["bn.num_batches_tracked"].shape == () and tensors["bn.num_batches_tracked"] == 7
with safetensors.safe_open("ours", "np") as file: assert file.metadata() == {"format": "pt"}
save_file(tensors, "theirs", {"format": "pt"})
)");
  ASSERT_EQ(run_python(script, folder.path()), 0) << read_file(folder.path() / "out.txt");
  const Safetensors theirs(folder.path() / "theirs");
  EXPECT_EQ(theirs.metadata(), (Metadata{{"format", "pt"}}));
  for (const TensorView& tensor : tensors) {
    const TensorView* found = theirs.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->dtype, tensor.dtype);
    EXPECT_TRUE(std::ranges::equal(found->bytes, tensor.bytes));
  }
}

}  // namespace
}  // namespace convoy
