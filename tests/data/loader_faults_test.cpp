// What goes wrong in a loader: errors where they belong, bad samples borne as was asked.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "ops/core/file.h"
#include "tests/data/loader_fixture.h"

namespace convoy {
namespace {

using std::chrono::milliseconds;

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
