#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "data/image.h"
#include "data/timed_image.h"
#include "ops/core/arena.h"
#include "ops/core/check.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

// Rows that a thread takes at a time: few, so that all threads work on the slot that is wanted
// next; more than one, so that the lock costs nothing beside tiny images.
constexpr int max_rows_at_once = 16;

// One place of the ring. Slot k always takes place k % ahead, after slot k - ahead is released.
struct Place {
  enum class State { filling, ready, acquired };
  std::uint64_t slot = 0;
  State state = State::filling;
  int rows_taken = 0;
  int rows_done = 0;
  // Where samples are mixed, the first one's partner comes after the last.
  std::span<float> images;
  std::vector<std::int32_t> labels;
  std::vector<std::uint64_t> sample_ids;
  Mix mix;
  std::vector<float> soft_labels;
};

struct Work {
  Place* place;
  int first_row;
  int rows;
  bool traced;  // from its begin
  Track::Clock::time_point begin;
};

// What a thread works with.
struct Scratch {
  std::vector<std::byte> bytes;
  ImageDecoder decoder;
  PixelsInMemory raw{{}};
  TransformScratch transform;
  StageClock clock;
  LoaderTimes times;       // not yet handed over
  Track* track = nullptr;  // of what the thread does; guarded as all that threads share
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The image that a sample's bytes hold.
ImageSource& source_of(const Sample& sample, std::span<const std::byte> bytes, Scratch& scratch) {
  if (sample.encoding != Encoding::raw) {
    scratch.decoder.open(bytes, "");
    return scratch.decoder;
  }
  require_image_size(sample.height, sample.width, "");
  const std::uint64_t expected = std::uint64_t{sample.height} * sample.width * sample.channels;
  require((sample.channels == 1 || sample.channels == 3) && bytes.size() == expected,
          ExitCode::data, "", "has {} bytes of raw pixels, {} x {} x {} expected", bytes.size(),
          sample.height, sample.width, sample.channels);
  scratch.raw = PixelsInMemory({reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                static_cast<int>(sample.height), static_cast<int>(sample.width),
                                sample.channels, std::ptrdiff_t{sample.width} * sample.channels});
  return scratch.raw;
}

}  // namespace

Shape output_shape(const Dataset& dataset, const Pipeline& pipeline) {
  require(dataset.size() > 0, ExitCode::data, dataset.split(), "holds no samples");
  if (dataset.holds_features()) {
    require(pipeline.transforms.empty(), ExitCode::config, "transforms",
            "{} holds features, which cannot be cropped, flipped or else: expected none",
            dataset.split());
    const Sample first = dataset.sample(0);
    return {1, first.height, first.width};
  }
  if (!dataset.largest().alike) return pipeline.output_shape(0, 0);
  const Sample first = dataset.sample(0);
  return pipeline.output_shape(first.height, first.width);
}

struct Loader::State {
  const Dataset& dataset;
  const std::vector<Pipeline> views;
  const LoaderOptions options;
  const std::function<RowKey(std::uint64_t, int)> row_key;
  const Shape shape;
  const int filled_rows;  // of a slot, with the partner of the first one where samples are mixed
  Arena arena;
  BadSampleWatch bad_samples;
  const LogSpeaker speaker = log_speaker();

  std::mutex mutex;  // guards all below, and of `ring` everything but the rows threads have taken
  std::condition_variable_any work_wanted;  // a place was released, or the loader stops
  std::condition_variable slot_changed;     // a slot became ready or failed
  std::vector<Place> ring;
  std::uint64_t next_slot;  // the slot whose rows are being taken
  std::exception_ptr error;
  std::uint64_t error_slot = ~0ull;  // no slot comes after this one
  int error_row = 0;
  int busy = 0;  // threads that hold rows
  LoaderTimes times;

  std::vector<Scratch> scratch;       // one per thread
  std::vector<std::jthread> threads;  // last: joined before anything that they use goes

  State(const Dataset& data, std::vector<Pipeline> pipelines, const LoaderOptions& settings,
        std::function<RowKey(std::uint64_t, int)> rows);
  ~State() {  // all at once; then each is joined
    for (std::jthread& thread : threads) thread.request_stop();
  }

  void work(std::stop_token stop, Scratch& own);
  bool take(std::stop_token stop, Work& work, const Scratch& own);
  void fill(const Work& work, Scratch& own);
  void fill_row(Place& place, int row, Scratch& own);
  void load(Place& place, int row, const RowKey& key, Scratch& own);
  void leave_empty(Place& place, int row);
  std::span<float> image_of(Place& place, int row);
  void finish(const Work& work, Scratch& own);
  void record_error(std::uint64_t slot, int row);
  bool settled(std::uint64_t slot);
  void open(Place& place, std::uint64_t slot);
  Place& place_of(std::uint64_t slot) { return ring[slot % ring.size()]; }
};

Loader::State::State(const Dataset& data, std::vector<Pipeline> pipelines,
                     const LoaderOptions& settings, std::function<RowKey(std::uint64_t, int)> rows)
    : dataset(data),
      views(std::move(pipelines)),
      options(settings),
      row_key(std::move(rows)),
      shape(convoy::output_shape(dataset, views.at(0))),
      filled_rows(options.rows + (options.mix ? 1 : 0)),
      bad_samples(data, {settings.bad_samples, settings.most_bad_samples, settings.seed}),
      next_slot(settings.first_slot) {
  require(options.threads > 0 && options.rows > 0 && options.ahead > 0, ExitCode::config, "loader",
          "has {} threads, {} rows a slot and {} slots ahead, all above 0 expected",
          options.threads, options.rows, options.ahead);
  for (const Pipeline& view : views) {
    require(convoy::output_shape(dataset, view) == shape, ExitCode::config, "loader",
            "views have different shapes, expected {}", shape.text());
  }
  const auto row_floats = static_cast<std::size_t>(shape.elements());
  const std::size_t slot_bytes = align_up(filled_rows * row_floats * sizeof(float));
  arena = Arena(slot_bytes * options.ahead, "loader");
  ring.resize(options.ahead);
  for (int i = 0; i < options.ahead; ++i) {
    ring[i].images =
        arena.as<float>().subspan(i * slot_bytes / sizeof(float), filled_rows * row_floats);
    ring[i].labels.resize(filled_rows);
    ring[i].sample_ids.resize(filled_rows);
    if (options.mix) ring[i].soft_labels.resize(std::size_t(options.rows) * options.classes);
  }
  for (int i = 0; i < options.ahead; ++i) open(place_of(next_slot + i), next_slot + i);
  scratch.resize(options.threads);
  for (Scratch& own : scratch) {
    own.bytes.reserve(dataset.largest().bytes);
    threads.emplace_back([this, &own](std::stop_token stop) { work(stop, own); });
  }
}

// From now on threads fill the place.
void Loader::State::open(Place& place, std::uint64_t slot) {
  place.slot = slot;
  place.state = Place::State::filling;
  place.rows_taken = place.rows_done = 0;
  if (options.mix) place.mix = options.mix(slot);
}

void Loader::State::work(std::stop_token stop, Scratch& own) {
  set_log_rank(speaker.rank, speaker.ranks);
  Work work{};
  while (take(stop, work, own)) {
    fill(work, own);
    own.times.busy += seconds_since(work.begin);
    finish(work, own);
  }
}

// Waits for rows to make; false when there will be none.
bool Loader::State::take(std::stop_token stop, Work& work, const Scratch& own) {
  std::unique_lock lock(mutex);
  const auto available = [&] {
    return error || next_slot >= options.end_slot || place_of(next_slot).slot == next_slot;
  };
  if (!work_wanted.wait(lock, stop, available) || stop.stop_requested()) return false;
  if (error || next_slot >= options.end_slot) return false;
  Place& place = place_of(next_slot);
  const int share = std::clamp(options.rows / options.threads, 1, max_rows_at_once);
  work = {.place = &place,
          .first_row = place.rows_taken,
          .rows = std::min(share, filled_rows - place.rows_taken),
          .traced = own.track != nullptr,
          .begin = Track::Clock::now()};
  place.rows_taken += work.rows;
  ++busy;
  if (place.rows_taken == filled_rows) ++next_slot;
  return true;
}

void Loader::State::fill(const Work& work, Scratch& own) {
  if (work.first_row == 0 && options.on_begin) options.on_begin(work.place->slot);
  own.times.rows += work.rows;
  for (int row = work.first_row; row < work.first_row + work.rows; ++row) {
    try {
      fill_row(*work.place, row, own);
    } catch (...) {
      record_error(work.place->slot, row);
      return;
    }
  }
}

std::span<float> Loader::State::image_of(Place& place, int row) {
  const auto floats = static_cast<std::size_t>(shape.elements());
  return place.images.subspan(row * floats, floats);
}

void Loader::State::leave_empty(Place& place, int row) {
  std::ranges::fill(image_of(place, row), 0.0f);
  place.labels[row] = -1;
  place.sample_ids[row] = 0;
}

void Loader::State::fill_row(Place& place, int row, Scratch& own) {
  const bool partner = row == options.rows;
  RowKey key = row_key(place.slot, partner ? -1 : row);
  if (!key.present || (partner && !place.mix.on())) return leave_empty(place, row);
  const std::uint64_t wanted = key.index;
  for (int attempts = 0;; ++attempts) {
    try {
      return load(place, row, key, own);
    } catch (const Error& problem) {
      bad_samples.note(key.index, key.epoch, problem);
      if (bad_samples.policy() == BadSamples::skip) return leave_empty(place, row);
      key.index = bad_samples.substitute(wanted, key.epoch, attempts);
    }
  }
}

void Loader::State::load(Place& place, int row, const RowKey& key, Scratch& own) {
  own.clock.begin_row();
  const Sample sample = dataset.sample(key.index);
  const std::span<const std::byte> bytes = dataset.fetch(key.index, own.bytes);
  own.clock.mark(own.times.read);
  dataset.check(key.index, bytes);
  own.clock.mark(own.times.checksum);
  place.labels[row] = sample.label;
  place.sample_ids[row] = sample.id;
  if (sample.encoding == Encoding::features) {
    std::ranges::copy(bytes, std::as_writable_bytes(image_of(place, row)).begin());
    own.clock.mark(own.times.transform);
    return;
  }
  try {  // the place is text: made only for those that fail
    TimedImage image(source_of(sample, bytes, own), own.clock, own.times);
    own.clock.mark(own.times.decode);
    apply(views[key.view], image, {options.seed, key.epoch, sample.id}, "", shape, own.transform,
          std::as_writable_bytes(image_of(place, row)));
    own.clock.mark(own.times.transform);
  } catch (const Error& problem) {
    throw Error(problem.code(), dataset.place(key.index), problem.what());
  }
}

// The error that counts is that of the first bad row: all rows before it were taken before it, so
// which one that is does not depend on the number of threads.
void Loader::State::record_error(std::uint64_t slot, int row) {
  const std::lock_guard lock(mutex);
  if (error && std::pair(slot, row) > std::pair(error_slot, error_row)) return;
  error = std::current_exception();
  error_slot = slot;
  error_row = row;
}

void Loader::State::finish(const Work& work, Scratch& own) {
  std::unique_lock lock(mutex);
  Place& place = *work.place;
  place.rows_done += work.rows;
  const bool full = place.rows_done == filled_rows;
  if (full && place.mix.on() && !error) {
    lock.unlock();  // nobody else touches a full place
    const auto start = std::chrono::steady_clock::now();
    mix_rows(place.mix, {shape, place.images, place.labels, place.soft_labels});
    const double seconds = seconds_since(start);
    own.times.transform += seconds;
    own.times.busy += seconds;
    lock.lock();
  }
  times.add(std::exchange(own.times, {}));
  if (work.traced && own.track) {
    own.track->add({"load images", "loader", work.begin, Track::Clock::now()});
  }
  --busy;
  if (full) place.state = Place::State::ready;
  if (error || place.state == Place::State::ready) slot_changed.notify_all();
}

// Under the lock: true once acquire(slot) can return or throw.
bool Loader::State::settled(std::uint64_t slot) {
  if (slot >= error_slot) return busy == 0;  // no earlier row can fail any more
  const Place& place = place_of(slot);
  return place.slot == slot && place.state == Place::State::ready;
}

Loader::Loader(const Dataset& dataset, std::vector<Pipeline> views, LoaderOptions options,
               std::function<RowKey(std::uint64_t slot, int row)> row)
    : state_(std::make_unique<State>(dataset, std::move(views), options, std::move(row))) {}

Loader::Loader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options,
               std::function<RowKey(std::uint64_t slot, int row)> row)
    : Loader(dataset, std::vector{std::move(pipeline)}, std::move(options), std::move(row)) {}

Loader::~Loader() = default;

Shape Loader::image_shape() const {
  return state_->shape;
}

Batch Loader::acquire(std::uint64_t slot) {
  State& state = *state_;
  require(slot >= state.options.first_slot && slot < state.options.end_slot, ExitCode::internal,
          "loader", "slot {} acquired, {} to {} expected", slot, state.options.first_slot,
          state.options.end_slot);
  std::unique_lock lock(state.mutex);
  Place& place = state.place_of(slot);
  require(place.slot < slot || (place.slot == slot && place.state != Place::State::acquired),
          ExitCode::internal, "loader", "slot {} acquired a second time", slot);
  if (!state.settled(slot)) {
    const auto start = std::chrono::steady_clock::now();
    state.slot_changed.wait(lock, [&] { return state.settled(slot); });
    state.times.wait += seconds_since(start);
    ++state.times.late;
  }
  ++state.times.slots;
  if (slot >= state.error_slot) std::rethrow_exception(state.error);
  place.state = Place::State::acquired;
  const auto rows = static_cast<std::size_t>(state.options.rows);
  return {.slot = slot,
          .images = place.images.first(rows * state.shape.elements()),
          .labels = std::span(place.labels).first(rows),
          .sample_ids = std::span(place.sample_ids).first(rows),
          .soft_labels = place.mix.on() ? std::span(place.soft_labels) : std::span<float>()};
}

void Loader::release(const Batch& batch) {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    Place& place = state.place_of(batch.slot);
    require(place.slot == batch.slot && place.state == Place::State::acquired, ExitCode::internal,
            "loader", "slot {} released without being acquired", batch.slot);
    state.open(place, place.slot + state.ring.size());
  }
  state.work_wanted.notify_all();
}

LoaderTimes Loader::take_times() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->times, {});
}

void Loader::trace(std::span<Track> tracks) {
  const std::lock_guard lock(state_->mutex);
  for (std::size_t thread = 0; thread < state_->scratch.size(); ++thread) {
    state_->scratch[thread].track = tracks.empty() ? nullptr : &tracks[thread];
  }
}

Loader::Memory Loader::memory() const {
  const Dataset::Largest& largest = state_->dataset.largest();
  return {.threads = state_->options.threads,
          .slots = state_->options.ahead,
          .ring = state_->arena.size(),
          .scratch = state_->scratch.size() * (largest.bytes + 2 * largest.pixels)};
}

}  // namespace convoy
