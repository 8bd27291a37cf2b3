#include "ops/onednn/memory.h"

#include <cassert>

#include "ops/core/check.h"

namespace convoy::onednn {
namespace {

using Tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32;

int native_simd_width() {
  return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? 16 : 8;
}

}  // namespace

Dims dims_of(const Shape& shape) {
  return Dims(shape.begin(), shape.end());
}

MemoryDesc plain(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t axis = dims.size() - 1; axis-- > 0;) {
    strides[axis] = strides[axis + 1] * dims[axis + 1];
  }
  return MemoryDesc(dims, f32, strides);
}

MemoryDesc channels_last(const Dims& nchw) {
  return MemoryDesc(nchw, f32, Tag::nhwc);
}

MemoryDesc any(const Dims& dims) {
  return MemoryDesc(dims, f32, Tag::any);
}

Context::Context(const BackendOptions& options)
    : engine_(dnnl::engine::kind::cpu, 0), options_(options), simd_width_(native_simd_width()) {}

Layout Context::intern(const MemoryDesc& desc) {
  if (desc == plain(onednn::dims_of(desc))) return Layout{};
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < layouts_.size(); ++i) {
    if (layouts_[i] == desc) return Layout{static_cast<std::uint32_t>(i + 1)};
  }
  layouts_.push_back(desc);
  return Layout{static_cast<std::uint32_t>(layouts_.size())};
}

TensorDesc Context::tensor(const Shape& logical, const MemoryDesc& desc) {
  return {logical, type_of(desc), intern(desc), desc.get_size()};
}

MemoryDesc Context::memory_desc(const TensorDesc& tensor) const {
  return memory_desc(tensor, onednn::dims_of(tensor.shape));
}

MemoryDesc Context::memory_desc(const TensorDesc& tensor, const Dims& dims) const {
  if (tensor.layout.plain()) return plain(dims);
  const std::lock_guard lock(mutex_);
  return layouts_[tensor.layout.id - 1];
}

MemoryDesc Context::blocked(const Dims& nchw) const {
  return MemoryDesc(nchw, f32, simd_width_ == 16 ? Tag::nChw16c : Tag::nChw8c);
}

std::optional<ChannelChunks> Context::chunks_of(const MemoryDesc& desc) const {
  const Dims dims = onednn::dims_of(desc);
  if (dims.size() != 4) return std::nullopt;
  const std::int64_t channels = dims[1], pixels = dims[2] * dims[3];
  const auto chunks = [&](int width) {
    const std::int64_t count = (channels + width - 1) / width;
    return ChannelChunks{.width = width,
                         .images = dims[0],
                         .channels = channels,
                         .chunks = count,
                         .pixels = pixels,
                         .image_stride = count * pixels * width,
                         .chunk_stride = pixels * width,
                         .pixel_stride = width};
  };
  if (desc == MemoryDesc(dims, f32, Tag::nChw16c)) return chunks(16);
  if (desc == MemoryDesc(dims, f32, Tag::nChw8c)) return chunks(8);
  if (desc == MemoryDesc(dims, f32, Tag::nhwc) && channels % simd_width_ == 0) {
    ChannelChunks interleaved = chunks(simd_width_);
    interleaved.chunk_stride = simd_width_;
    interleaved.pixel_stride = channels;
    return interleaved;
  }
  return std::nullopt;
}

Call::Call(const Context& context, const dnnl::primitive& primitive)
    : engine_(context.engine()), primitive_(primitive), stream_(context.engine()) {}

void Call::declare(int argument, const MemoryDesc& desc) {
  if (desc.get_size() == 0) return;
  require(count_ < max_arguments, ExitCode::internal, "onednn", "more than {} arguments",
          max_arguments);
  memories_[count_] = dnnl::memory(desc, engine_, nullptr);
  arguments_[count_] = {argument, memories_[count_].get()};
  ++count_;
}

void Call::set(int argument, const void* data) {
  for (int i = 0; i < count_; ++i) {
    if (arguments_[i].arg != argument) continue;
    // oneDNN's interface has no const for what it only reads. Setting a handle clears the padding
    // of blocked layouts, so it is set only where it changes.
    void* const handle = const_cast<void*>(data);
    if (memories_[i].get_data_handle() != handle) memories_[i].set_data_handle(handle);
  }
}

void Call::run() {
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive_.get(), stream_.get(), count_, arguments_.data());
  require(status == dnnl_success, ExitCode::internal, "onednn", "a primitive failed with status {}",
          static_cast<int>(status));
}

Call make_reorder(const Context& context, const MemoryDesc& from, const MemoryDesc& to) {
  const dnnl::reorder::primitive_desc desc(context.engine(), from, context.engine(), to);
  Call call(context, dnnl::reorder(desc));
  call.declare(DNNL_ARG_FROM, from);
  call.declare(DNNL_ARG_TO, to);
  return call;
}

}  // namespace convoy::onednn
