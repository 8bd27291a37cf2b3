// LoaderTimes: where the time of a loader's threads goes.
#pragma once

#include <chrono>
#include <cstdint>

namespace convoy {

// Sums over the threads, in seconds.
struct LoaderTimes {
  double read = 0;       // from the system's memory or from storage
  double checksum = 0;   //
  double decode = 0;     //
  double transform = 0;  // with mixing
  double busy = 0;       // at work, all in all
  std::uint64_t rows = 0;

  double wait = 0;  // of those who wanted a slot that was not ready
  std::uint64_t slots = 0;
  std::uint64_t late = 0;  // slots that had to be waited for

  void add(const LoaderTimes& other) {
    read += other.read;
    checksum += other.checksum;
    decode += other.decode;
    transform += other.transform;
    busy += other.busy;
    rows += other.rows;
    wait += other.wait;
    slots += other.slots;
    late += other.late;
  }
};

// Times the stages of every eighth row of a thread, and counts each for eight: reading the clock
// for all of them would be felt with tiny images.
class StageClock {
 public:
  void begin_row() {
    timed_ = rows_++ % every == 0;
    if (timed_) last_ = Clock::now();
  }
  // What was done since the last mark.
  void mark(double& stage) {
    if (!timed_) return;
    const Clock::time_point now = Clock::now();
    stage += every * std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int every = 8;
  unsigned rows_ = 0;
  bool timed_ = false;
  Clock::time_point last_;
};

}  // namespace convoy
