// Loader: the right rows in the right slots for any number of threads, and a clean end at any
// moment.
#include "data/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "tests/data/loader_fixture.h"
#include "tests/support/allocations.h"

namespace convoy {
namespace {

using std::chrono::milliseconds;

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

// What begins after a slot is released, a track that was given before has to hold.
TEST_F(LoaderTest, TracesWhatItsThreadsDo) {
  Loader loader(dataset_, pipeline(), options(2), row_key);
  std::vector<Track> tracks;
  for (const int thread : {0, 1}) tracks.emplace_back(std::to_string(thread), 100);
  loader.trace(tracks);
  digests(loader, 0, 15);
  loader.trace({});
  std::size_t spans = 0;
  for (const Track& track : tracks) {
    spans += track.spans().size();
    Track::Clock::time_point free{};
    for (const Track::Span& span : track.spans()) {
      EXPECT_GE(span.begin, free);
      EXPECT_GE(span.end, span.begin);
      free = span.end;
    }
  }
  EXPECT_GE(spans, 22u);  // slots 4 to 14, three rows at a time
  EXPECT_LE(spans, 30u);
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

}  // namespace
}  // namespace convoy
