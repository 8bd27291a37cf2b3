// Event file: scalars of a run, by step, for TensorBoard. A file is a row of records (TensorFlow's
// TFRecord), each of them a message Event in the encoding of Protocol Buffers:
//
//   uint64 length | uint32 checksum of it | message | uint32 checksum of it       little-endian
//
// where a checksum is CRC-32C, turned right by 15 bits, plus 0xa282ead8. Of Event it uses the
// fields wall_time = 1, step = 2, file_version = 3, summary = 5 and session_log = 7.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace convoy {

struct Scalar {
  std::string tag;  // "train/loss": TensorBoard groups by what is before the slash
  double value = 0;
};

// Records, whole. `time`: seconds since 1970.
std::string version_record(double time);
// From now on what came before of steps from `step` on is void: a run goes on from there.
std::string restart_record(double time, std::uint64_t step);
std::string scalars_record(double time, std::uint64_t step, std::span<const Scalar> scalars);

class EventFile {
 public:
  // FOLDER/events.out.tfevents.TIME.HOST.PID.STEP, which begins with the first scalars. `step`:
  // where the run begins or goes on.
  EventFile(const std::filesystem::path& folder, std::uint64_t step);

  // Error(storage) if they cannot be written.
  void add(std::uint64_t step, std::span<const Scalar> scalars);

 private:
  std::filesystem::path path_;
  std::uint64_t first_step_;
  std::ofstream file_;
};

}  // namespace convoy
