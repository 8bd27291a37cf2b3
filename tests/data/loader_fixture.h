// What the tests of the loader load, and how they look at what comes out.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/jpeg.h"
#include "data/loader.h"
#include "data/pack.h"
#include "data/sampler.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "tests/data/images.h"

namespace convoy {

namespace fs = std::filesystem;

constexpr int classes = 3;
constexpr int samples = 41;

// 41 JPEG images of 16 x 16 in three classes, some of them grey, in three shards.
class LoaderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / fmt::format("convoy-loader-test.{}", ::getpid());
    fs::remove_all(folder_);
    for (int i = 0; i < samples; ++i) {
      const fs::path path =
          folder_ / "images" / std::to_string(i % classes) / fmt::format("{:03}.jpg", i);
      fs::create_directories(path.parent_path());
      const auto bytes = encode_jpeg(noise_image(16, 16, i % 5 == 0 ? 1 : 3, i), 80);
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
    PackOptions options;
    options.output = folder_ / "shards";
    options.shard_bytes = 12000;
    pack(folder_ / "images", {}, options);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static Pipeline pipeline() {
    return {.transforms = {PadAndCrop{16, 2}, HorizontalFlip{}},
            .normalize = {{0.5f, 0.4f, 0.3f}, {0.2f, 0.3f, 0.4f}}};
  }
  // Two epochs and a bit, rows beyond every 20th slot's 5th absent.
  static RowKey row_key(std::uint64_t slot, int row) {
    const std::uint64_t position = slot * 6 + row;
    if (slot % 20 == 3 && row >= 4) return {.present = false};
    const auto epoch = static_cast<std::uint32_t>(position / samples);
    return {Sampler(samples, 9, Order::full).index(epoch, position % samples), epoch};
  }
  static LoaderOptions options(int threads) {
    return {.threads = threads, .rows = 6, .ahead = 4, .seed = 77, .end_slot = 15};
  }

  const Dataset dataset_{folder_ / "shards", "train"};
  static inline fs::path folder_;
};

inline std::string error_of(ExitCode code, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

inline std::uint32_t digest(const Batch& batch) {
  const auto images = std::as_bytes(batch.images);
  const auto labels = std::as_bytes(batch.labels);
  const auto ids = std::as_bytes(batch.sample_ids);
  return crc32c(images) * 31 + crc32c(labels) * 17 + crc32c(ids);
}

inline std::vector<std::uint32_t> digests(Loader& loader, std::uint64_t first, std::uint64_t end) {
  std::vector<std::uint32_t> all;
  for (std::uint64_t slot = first; slot < end; ++slot) {
    const Batch batch = loader.acquire(slot);
    all.push_back(digest(batch));
    loader.release(batch);
  }
  return all;
}

inline RowKey in_order(std::uint64_t slot, int row) {
  return {.index = (slot * 6 + row) % samples, .epoch = static_cast<std::uint32_t>(slot / 7)};
}

}  // namespace convoy
