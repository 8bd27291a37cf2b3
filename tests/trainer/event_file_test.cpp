// Event files: the bytes that TensorBoard's own writer makes of the same events, and where they go.
#include "trainer/event_file.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

const std::array scalars = {Scalar{"train/loss", 1.5}, Scalar{"validation/top1", 0.9}};

// From tensorboard 2.21: RecordWriter over event_pb2.Event.
TEST(EventFile, WritesTheBytesOfTensorBoard) {
  EXPECT_EQ(version_record(1234567890.25),
            text_from_hex("1800000000000000a37f4b2209000090b48065d2411a0d627261696e2e4576656e743a32"
                          "ed00f201"));
  EXPECT_EQ(restart_record(1234567890.5, 300),
            text_from_hex("100000000000000095fbfe18090000a0b48065d24110ac023a0208010cab6b73"));
  EXPECT_EQ(scalars_record(1234567891, 70000, scalars),
            text_from_hex("3a000000000000001295eae2090000c0b48065d24110f0a2042a2b0a110a0a747261696e"
                          "2f6c6f7373150000c03f0a160a0f76616c69646174696f6e2f746f7031156666663f4d93"
                          "985f"));
}

// Lengths of the records in a file, whose times are not known.
std::vector<std::size_t> records_of(const std::string& text) {
  std::vector<std::size_t> lengths;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = static_cast<unsigned char>(text.at(at));
    lengths.push_back(length);
    at += 8 + 4 + length + 4;
    EXPECT_LE(at, text.size());
  }
  return lengths;
}

TEST(EventFile, BeginsWithTheFirstScalars) {
  const TemporaryFolder folder;
  EventFile fresh(folder.path(), 0);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  fresh.add(70000, scalars);
  fresh.add(70001, scalars);
  const auto files = contents(folder.path());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(files.begin()->first.starts_with("events.out.tfevents."));
  EXPECT_EQ(records_of(files.begin()->second), (std::vector<std::size_t>{0x18, 0x3a, 0x3a}));
}

TEST(EventFile, SaysWhereARunGoesOn) {
  const TemporaryFolder folder;
  EventFile resumed(folder.path(), 300);
  resumed.add(70000, scalars);
  const auto files = contents(folder.path());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(records_of(files.begin()->second), (std::vector<std::size_t>{0x18, 0x10, 0x3a}));
}

TEST(EventFile, ThatCannotBeWrittenIsAnError) {
  EventFile nowhere("/nowhere", 0);
  const std::string error = error_of(ExitCode::storage, [&] { nowhere.add(1, scalars); });
  EXPECT_TRUE(error.ends_with("cannot be written")) << error;
}

}  // namespace
}  // namespace convoy
