// What all oneDNN kernels share: the engine, layouts as numbers, and primitives with their
// arguments bound.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <vector>

#include "ops/backend.h"
#include "ops/onednn/descriptors.h"
#include "ops/onednn/loops.h"

namespace convoy::onednn {

// The engine and the table of layouts. Thread-safe.
class Context {
 public:
  explicit Context(const BackendOptions& options);

  // OpenMP threads inside one kernel call.
  int threads() const { return options_.threads; }
  Winograd winograd() const { return options_.winograd; }
  Precision precision() const { return options_.precision; }
  const dnnl::engine& engine() const { return engine_; }
  // Channels in a block of the layout that our own loops like.
  int simd_width() const { return simd_width_; }
  // The number of a memory descriptor; 0 for row-major ones.
  Layout intern(const MemoryDesc& desc);
  TensorDesc tensor(const Shape& logical, const MemoryDesc& desc);
  // The descriptor behind a tensor; `dims` where the kernel sees another shape than the logical one
  // (grouped weights).
  MemoryDesc memory_desc(const TensorDesc& tensor) const;
  MemoryDesc memory_desc(const TensorDesc& tensor, const Dims& dims) const;
  // The layout in which our own loops like feature maps: 16 or 8 channels together, by the
  // instruction set.
  MemoryDesc blocked(const Dims& nchw) const;
  // How our loops walk a feature map; nothing where they do not know its order.
  std::optional<ChannelChunks> chunks_of(const MemoryDesc& desc) const;

 private:
  dnnl::engine engine_;
  BackendOptions options_;
  int simd_width_;
  mutable std::mutex mutex_;
  std::vector<MemoryDesc> layouts_;
};

// Memory of a tensor of floats.
inline float* floats(std::byte* data) {
  return reinterpret_cast<float*>(data);
}
inline const float* floats(const std::byte* data) {
  return reinterpret_cast<const float*>(data);
}

Dims dims_of(const Shape& shape);
// Row-major float tensor.
MemoryDesc plain(const Dims& dims);
// Feature maps as NHWC.
MemoryDesc channels_last(const Dims& nchw);
// Library's choice.
MemoryDesc any(const Dims& dims);

// A primitive with its arguments; running it builds nothing. Used by one thread at a time.
class Call {
 public:
  Call() = default;
  Call(const Context& context, const dnnl::primitive& primitive);

  // Declares an argument before the first run.
  void declare(int argument, const MemoryDesc& desc);
  void set(int argument, const void* data);
  void run();
  explicit operator bool() const { return bool(primitive_); }

 private:
  static constexpr int max_arguments = 8;
  dnnl::engine engine_;
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::array<dnnl::memory, max_arguments> memories_;
  std::array<dnnl_exec_arg_t, max_arguments> arguments_{};
  int count_ = 0;
};

// Copies its argument FROM to TO, in another order or type.
Call make_reorder(const Context& context, const MemoryDesc& from, const MemoryDesc& to);

}  // namespace convoy::onednn
