// libjpeg for C++: its errors and warnings as a return value, its scans limited. Private to the
// files that call the library.
#pragma once

#include <array>
#include <csetjmp>
#include <cstdio>
// After <cstdio>, which it needs.
#include <jpeglib.h>

namespace convoy {

// A progressive file may repeat scans over the whole image without end; real ones have about ten.
inline constexpr int max_jpeg_scans = 100;

// The library's errors and warnings jump back to guarded(), with the text in `message`.
struct JpegErrors {
  jpeg_error_mgr manager;  // first: the library hands its address back
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] inline void jump_back(j_common_ptr codec) {
  JpegErrors& errors = *reinterpret_cast<JpegErrors*>(codec->err);
  codec->err->format_message(codec, errors.message.data());
  std::longjmp(errors.jump, 1);
}

inline void on_message(j_common_ptr codec, int level) {
  if (level < 0) jump_back(codec);
}

// For a codec's progress monitor.
inline void limit_scans(j_common_ptr codec) {
  if (!codec->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= max_jpeg_scans) return;
  JpegErrors& errors = *reinterpret_cast<JpegErrors*>(codec->err);
  std::snprintf(errors.message.data(), errors.message.size(), "More than %d scans", max_jpeg_scans);
  std::longjmp(errors.jump, 1);
}

// For a codec's `err`.
inline jpeg_error_mgr* install(JpegErrors& errors) {
  jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jump_back;
  errors.manager.emit_message = on_message;
  return &errors.manager;
}

// Runs calls into the library; false if one of them failed. `step` must not hold anything that
// needs a destructor: a failure jumps over it.
template <class Step>
bool guarded(JpegErrors& errors, const Step& step) {
  if (setjmp(errors.jump) != 0) return false;
  step();
  return true;
}

}  // namespace convoy
