// Loader: the right rows in the right slots for any number of threads, errors where they belong,
// and a clean end at any moment.
#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "data/jpeg.h"
#include "data/pack.h"
#include "data/sampler.h"
#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/data/images.h"
#include "tests/support/allocations.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

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

std::string error_of(ExitCode code, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

std::uint32_t digest(const Batch& batch) {
  const auto images = std::as_bytes(batch.images);
  const auto labels = std::as_bytes(batch.labels);
  const auto ids = std::as_bytes(batch.sample_ids);
  return crc32c(images) * 31 + crc32c(labels) * 17 + crc32c(ids);
}

std::vector<std::uint32_t> digests(Loader& loader, std::uint64_t first, std::uint64_t end) {
  std::vector<std::uint32_t> all;
  for (std::uint64_t slot = first; slot < end; ++slot) {
    const Batch batch = loader.acquire(slot);
    all.push_back(digest(batch));
    loader.release(batch);
  }
  return all;
}

TEST_F(LoaderTest, FillsEachRowWithItsSample) {
  Loader loader(dataset_, pipeline(), options(2), row_key);
  EXPECT_EQ(loader.image_shape(), (Shape{3, 16, 16}));
  ImageDecoder decoder;
  TransformScratch scratch;
  std::vector<std::byte> buffer;
  for (std::uint64_t slot = 0; slot < 15; ++slot) {
    const Batch batch = loader.acquire(slot);
    EXPECT_EQ(batch.slot, slot);
    ASSERT_EQ(batch.images.size(), 6u * 3 * 16 * 16);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(batch.images.data()) % 64, 0u);
    for (int row = 0; row < 6; ++row) {
      const RowKey key = row_key(slot, row);
      const auto floats = batch.images.subspan(row * 768, 768);
      std::vector<float> expected(768, 0.0f);
      if (key.present) {
        const Sample sample = dataset_.sample(key.index);
        Image image;
        decoder.decode(dataset_.read(key.index, buffer), "", image);
        PixelsInMemory source(view_of(image));
        apply(pipeline(), source, {77, key.epoch, sample.id}, "", Shape{3, 16, 16}, scratch,
              std::as_writable_bytes(std::span(expected)));
        EXPECT_EQ(batch.labels[row], sample.label);
        EXPECT_EQ(batch.sample_ids[row], sample.id);
      } else {
        EXPECT_EQ(batch.labels[row], -1);
        EXPECT_EQ(batch.sample_ids[row], 0u);
      }
      EXPECT_TRUE(std::equal(floats.begin(), floats.end(), expected.begin())) << slot << " " << row;
    }
    loader.release(batch);
  }
}

// Decoding no more than what is seen changes no bit, for any number of threads.
TEST_F(LoaderTest, PartialDecodingGivesTheSameBits) {
  Pipeline partial = pipeline();
  partial.transforms = {RandomResizedCrop{.size = 8}, HorizontalFlip{}};
  Pipeline whole = partial;
  whole.partial_decode = false;
  Loader reference(dataset_, whole, options(1), row_key);
  const auto expected = digests(reference, 0, 15);
  for (const int threads : {1, 2, 4}) {
    Loader loader(dataset_, partial, options(threads), row_key);
    EXPECT_EQ(digests(loader, 0, 15), expected) << threads << " threads";
  }
}

TEST_F(LoaderTest, ThreadsAndRingDoNotChangeTheResult) {
  Loader reference(dataset_, pipeline(), options(1), row_key);
  const auto expected = digests(reference, 0, 15);
  EXPECT_EQ(std::set(expected.begin(), expected.end()).size(), 15u);
  for (const int threads : {1, 2, 3, 7}) {
    for (const int ahead : {1, 2, 5, 40}) {
      LoaderOptions changed = options(threads);
      changed.ahead = ahead;
      Loader loader(dataset_, pipeline(), changed, row_key);
      EXPECT_EQ(digests(loader, 0, 15), expected) << threads << " threads, " << ahead << " ahead";
    }
  }
}

// Mixed slots hold what mixing the plain rows gives, for any number of threads; the others are as
// they were.
TEST_F(LoaderTest, MixesEachRowWithTheOneBefore) {
  const auto row = [](std::uint64_t slot, int r) {
    return row_key(slot, r < 0 ? 2 : r);  // any sample can be the first one's partner
  };
  const auto mix = [](std::uint64_t slot) {
    if (slot % 3 == 0) return Mix{};
    if (slot % 3 == 1) return Mix{.share = 0.3};
    return Mix{.share = 0.75, .box = Rect{2, 4, 8, 8}};
  };
  for (const int threads : {1, 3, 7}) {
    Loader plain(dataset_, pipeline(), options(2), row_key);
    LoaderOptions mixing = options(threads);
    mixing.mix = mix;
    mixing.classes = classes;
    Loader loader(dataset_, pipeline(), mixing, row);
    for (std::uint64_t slot = 0; slot < 15; ++slot) {
      const Batch before = plain.acquire(slot);
      std::vector<float> images(before.images.begin(), before.images.end());
      images.insert(images.end(), before.images.begin() + 2 * 768, before.images.begin() + 3 * 768);
      std::vector<std::int32_t> labels(before.labels.begin(), before.labels.end());
      labels.push_back(labels[2]);
      std::vector<float> targets(6 * classes);
      if (mix(slot).on()) mix_rows(mix(slot), {{3, 16, 16}, images, labels, targets});
      images.resize(6 * 768);
      labels.pop_back();
      const Batch batch = loader.acquire(slot);
      EXPECT_TRUE(std::ranges::equal(batch.images, images)) << slot;
      EXPECT_TRUE(std::ranges::equal(batch.labels, labels)) << slot;
      EXPECT_TRUE(std::ranges::equal(batch.sample_ids, before.sample_ids)) << slot;
      if (!mix(slot).on()) targets.clear();
      EXPECT_TRUE(std::ranges::equal(batch.soft_labels, targets)) << slot;
      loader.release(batch);
      plain.release(before);
    }
  }
}

TEST_F(LoaderTest, StartsInTheMiddle) {
  Loader whole(dataset_, pipeline(), options(2), row_key);
  const auto expected = digests(whole, 0, 15);
  LoaderOptions later = options(2);
  later.first_slot = 7;
  Loader loader(dataset_, pipeline(), later, row_key);
  EXPECT_EQ(digests(loader, 7, 15), std::vector(expected.begin() + 7, expected.end()));
}

TEST_F(LoaderTest, SlotsMayBeHeldTogetherAndReleasedInAnyOrder) {
  Loader whole(dataset_, pipeline(), options(2), row_key);
  const auto expected = digests(whole, 0, 15);
  Loader loader(dataset_, pipeline(), options(2), row_key);
  for (std::uint64_t slot = 0; slot + 4 <= 15; slot += 4) {
    std::vector<Batch> held;
    for (const int offset : {2, 0, 3, 1}) held.push_back(loader.acquire(slot + offset));
    for (const int i : {3, 0, 2, 1}) {
      EXPECT_EQ(digest(held[i]), expected[held[i].slot]);
      loader.release(held[i]);
    }
  }
}

TEST_F(LoaderTest, SeveralWorkersTakeTheirOwnSlots) {
  LoaderOptions many = options(2);
  many.end_slot = 60;
  many.ahead = 6;
  Loader whole(dataset_, pipeline(), many, row_key);
  const auto expected = digests(whole, 0, 60);
  Loader loader(dataset_, pipeline(), many, row_key);
  std::vector<std::uint32_t> found(60);
  {
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 3; ++worker) {
      workers.emplace_back([&, worker] {
        for (std::uint64_t slot = worker; slot < 60; slot += 3) {
          const Batch batch = loader.acquire(slot);
          found[slot] = digest(batch);
          loader.release(batch);
        }
      });
    }
  }
  EXPECT_EQ(found, expected);
}

TEST_F(LoaderTest, StopsAtAnyMoment) {
  for (int round = 0; round < 40; ++round) {
    LoaderOptions endless = options(1 + round % 4);
    endless.end_slot = ~0ull;
    Loader loader(dataset_, pipeline(), endless, row_key);
    if (round % 4 == 1) std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
    if (round % 4 >= 2) loader.acquire(0);                             // never released
    if (round % 4 == 3) std::this_thread::sleep_for(milliseconds(2));  // until the ring is full
  }
}

TEST_F(LoaderTest, NothingIsAllocatedOnceWarm) {
  LoaderOptions endless = options(1);  // so that its thread has surely met every image
  endless.end_slot = ~0ull;
  Loader loader(dataset_, pipeline(), endless, row_key);
  const auto pass = [&](std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t slot = first; slot < end; ++slot) {
      const Batch batch = loader.acquire(slot);
      loader.release(batch);
    }
  };
  pass(0, 60);
  const std::int64_t before = allocations();
  pass(60, 160);
  EXPECT_EQ(allocations() - before, 0);
}

TEST_F(LoaderTest, WaitingIsCounted) {
  const auto slow = [](std::uint64_t slot, int row) {
    std::this_thread::sleep_for(milliseconds(2));
    return row_key(slot, row);
  };
  Loader loader(dataset_, pipeline(), options(1), slow);
  const Batch batch = loader.acquire(1);
  EXPECT_GT(loader.take_wait_seconds(), 0.010);
  EXPECT_EQ(loader.take_wait_seconds(), 0);
  loader.release(batch);
}

TEST_F(LoaderTest, MisuseIsAnError) {
  LoaderOptions some = options(1);
  some.first_slot = 2;
  Loader loader(dataset_, pipeline(), some, row_key);
  const auto acquire = [&](std::uint64_t slot) {
    return error_of(ExitCode::internal, [&] { loader.acquire(slot); });
  };
  EXPECT_EQ(acquire(1), "loader: slot 1 acquired, 2 to 15 expected");
  EXPECT_EQ(acquire(15), "loader: slot 15 acquired, 2 to 15 expected");
  const Batch batch = loader.acquire(2);
  EXPECT_EQ(acquire(2), "loader: slot 2 acquired a second time");
  loader.release(batch);
  EXPECT_EQ(acquire(2), "loader: slot 2 acquired a second time");
  EXPECT_EQ(error_of(ExitCode::internal, [&] { loader.release(batch); }),
            "loader: slot 2 released without being acquired");
  LoaderOptions none = options(0);
  EXPECT_EQ(error_of(ExitCode::config, [&] { Loader(dataset_, pipeline(), none, row_key); }),
            "loader: has 0 threads, 6 rows a slot and 4 slots ahead, all above 0 expected");
}

// Flips a bit of the image at `index`, as `dataset` knows it, in a copy of its shards.
void damage(const fs::path& copy, const Dataset& dataset, std::uint64_t index) {
  std::vector<std::byte> buffer;
  const auto bytes = dataset.read(index, buffer);
  const std::string needle(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string place = dataset.place(index);
  const fs::path shard = copy / place.substr(0, place.find('['));
  std::string text = read_file(shard);
  const std::size_t at = text.find(needle);
  ASSERT_NE(at, text.npos);
  text[at + needle.size() / 2] ^= 1;
  std::ofstream(shard, std::ios::binary).write(text.data(), std::ssize(text));
}

fs::path damaged_copy(const fs::path& shards, const Dataset& dataset,
                      const std::vector<std::uint64_t>& indices) {
  const fs::path copy = shards.string() + ".damaged";
  fs::remove_all(copy);
  fs::copy(shards, copy);
  for (const std::uint64_t index : indices) damage(copy, dataset, index);
  return copy;
}

TEST_F(LoaderTest, ErrorsNameTheImageAndSparesTheSlotsBefore) {
  const auto in_order = [](std::uint64_t slot, int row) {
    return RowKey{.index = (slot * 6 + row) % samples};
  };
  const Dataset damaged(damaged_copy(folder_ / "shards", dataset_, {27}), "train");
  std::set<std::string> messages;
  for (const int threads : {1, 2, 3, 5}) {
    for (int round = 0; round < 5; ++round) {
      Loader loader(damaged, pipeline(), options(threads), in_order);
      digests(loader, 0, 4);
      for (const std::uint64_t slot : {4, 5, 4, 14}) {
        messages.insert(error_of(ExitCode::data, [&] { loader.acquire(slot); }));
      }
    }
  }
  ASSERT_EQ(messages.size(), 1u) << testing::PrintToString(messages);
  EXPECT_NE(messages.begin()->find(damaged.place(27)), std::string::npos) << *messages.begin();
}

RowKey in_order(std::uint64_t slot, int row) {
  return {.index = (slot * 6 + row) % samples, .epoch = static_cast<std::uint32_t>(slot / 7)};
}

// The rows of slots 0 to 13 by (slot, row), as bytes.
struct Row {
  std::vector<float> image;
  std::int32_t label;
  std::uint64_t id;
  bool operator==(const Row&) const = default;
};
std::vector<Row> rows_of(Loader& loader) {
  std::vector<Row> rows;
  for (std::uint64_t slot = 0; slot < 14; ++slot) {
    const Batch batch = loader.acquire(slot);
    for (std::size_t row = 0; row < 6; ++row) {
      const auto image = batch.images.subspan(row * 768, 768);
      rows.push_back({{image.begin(), image.end()}, batch.labels[row], batch.sample_ids[row]});
    }
    loader.release(batch);
  }
  return rows;
}

TEST_F(LoaderTest, BadSamplesAreSkipped) {
  Loader whole(dataset_, pipeline(), options(2), in_order);
  std::vector<Row> expected = rows_of(whole);
  for (const std::size_t bad : {5, 27, 5 + samples, 27 + samples}) {
    expected[bad] = {std::vector<float>(768), -1, 0};
  }
  const Dataset damaged(damaged_copy(folder_ / "shards", dataset_, {5, 27}), "train");
  for (const int threads : {1, 3}) {
    LoaderOptions skip = options(threads);
    skip.bad_samples = BadSamples::skip;
    skip.most_bad_samples = 2;
    Loader loader(damaged, pipeline(), skip, in_order);
    EXPECT_TRUE(rows_of(loader) == expected) << threads;
  }
}

TEST_F(LoaderTest, BadSamplesAreReplacedByTheSameOnesEverywhere) {
  std::vector<std::uint64_t> bad;
  for (std::uint64_t i = 0; i < samples; i += 2)
    bad.push_back(i);  // so that substitutes are bad too
  const Dataset damaged(damaged_copy(folder_ / "shards", dataset_, bad), "train");
  Loader whole(dataset_, pipeline(), options(2), in_order);
  const std::vector<Row> clean = rows_of(whole);
  std::vector<std::vector<Row>> found;
  for (const int threads : {1, 2, 5}) {
    LoaderOptions replace = options(threads);
    replace.bad_samples = BadSamples::substitute;
    Loader loader(damaged, pipeline(), replace, in_order);
    found.push_back(rows_of(loader));
  }
  EXPECT_TRUE(found[0] == found[1]);
  EXPECT_TRUE(found[0] == found[2]);
  // Another share of the rows, as on another rank: the same substitutes.
  LoaderOptions other = options(1);
  other.bad_samples = BadSamples::substitute;
  Loader shifted(damaged, pipeline(), other,
                 [](std::uint64_t slot, int row) { return in_order((slot + 3) % 14, row); });
  const std::vector<Row> moved = rows_of(shifted);
  std::set<std::uint64_t> substitutes;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    EXPECT_TRUE(moved[(i + 66) % 84] == found[0][i]) << i;
    const std::uint64_t id = found[0][i].id;
    EXPECT_EQ(found[0][i].label, dataset_.sample(id).label);
    EXPECT_EQ(id % 2, 1u);
    if (i % samples % 2 == 1) {
      EXPECT_TRUE(found[0][i] == clean[i]) << i;
    } else {
      substitutes.insert(id);
    }
  }
  EXPECT_GT(substitutes.size(), 12u);
}

TEST_F(LoaderTest, TooManyBadSamplesAreAnError) {
  const Dataset damaged(damaged_copy(folder_ / "shards", dataset_, {5, 27, 30}), "train");
  for (const BadSamples policy : {BadSamples::skip, BadSamples::substitute}) {
    LoaderOptions two = options(1);
    two.bad_samples = policy;
    two.most_bad_samples = 2;
    Loader loader(damaged, pipeline(), two, in_order);
    const std::string error = error_of(ExitCode::data, [&] { rows_of(loader); });
    EXPECT_TRUE(
        error.starts_with("data.max_bad_samples: more than 2 bad samples, the last of them "
                          "train-0000"))
        << error;
  }
  // What is not the data's fault is never covered up.
  LoaderOptions skip = options(1);
  skip.bad_samples = BadSamples::skip;
  Pipeline none = pipeline();
  Loader loader(dataset_, none, skip,
                [](std::uint64_t, int) -> RowKey { fail(ExitCode::config, "here", "wrong"); });
  EXPECT_EQ(error_of(ExitCode::config, [&] { loader.acquire(0); }), "here: wrong");
}

TEST_F(LoaderTest, TellsWhereItsTimeGoesAndWhatItTakes) {
  LoaderOptions some = options(2);
  std::atomic<std::uint64_t> begun{0};
  some.on_begin = [&](std::uint64_t slot) { begun += slot; };
  Loader loader(dataset_, pipeline(), some, in_order);
  digests(loader, 0, 15);
  const LoaderTimes times = loader.take_times();
  EXPECT_EQ(times.rows, 90u);
  EXPECT_EQ(times.slots, 15u);
  EXPECT_LE(times.late, 15u);
  EXPECT_GT(times.read, 0);
  EXPECT_GT(times.checksum, 0);
  EXPECT_GT(times.decode, 0);
  EXPECT_GT(times.transform, 0);
  EXPECT_GT(times.busy, 0);
  EXPECT_EQ(loader.take_times().rows, 0u);
  EXPECT_EQ(begun, 14u * 15 / 2);
  const Loader::Memory memory = loader.memory();
  EXPECT_EQ(memory.ring, 4u * 6 * 768 * sizeof(float));
  EXPECT_EQ(memory.scratch, 2 * (dataset_.largest().bytes + 2 * dataset_.largest().pixels));
  EXPECT_EQ(dataset_.largest().pixels, 768u);
  EXPECT_TRUE(dataset_.largest().alike);
}

TEST_F(LoaderTest, TransformErrorsNameTheImage) {
  Pipeline large = pipeline();
  large.transforms = {PadAndCrop{20, 1}};
  Loader loader(dataset_, large, options(2), row_key);
  EXPECT_EQ(error_of(ExitCode::data, [&] { loader.acquire(0); }),
            dataset_.place(row_key(0, 0).index) +
                ": 16 x 16 pixels padded by 1 are smaller than the crop of 20");
}

TEST_F(LoaderTest, WaitingCallersHearOfErrors) {
  const auto failing = [](std::uint64_t slot, int row) {
    std::this_thread::sleep_for(milliseconds(1));
    require(slot < 2, ExitCode::data, "here", "slot {} row {}", slot, row);
    return row_key(slot, row);
  };
  Loader loader(dataset_, pipeline(), options(2), failing);
  std::vector<std::string> heard(3);
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) {
      callers.emplace_back(
          [&, i] { heard[i] = error_of(ExitCode::data, [&] { loader.acquire(2 + i); }); });
    }
  }
  for (const std::string& message : heard) EXPECT_EQ(message, "here: slot 2 row 0");
  digests(loader, 0, 2);
}

}  // namespace
}  // namespace convoy
