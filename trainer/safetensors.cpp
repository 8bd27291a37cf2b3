#include "trainer/safetensors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

constexpr std::uint64_t max_header = 100'000'000;  // the limit of the format's own library
constexpr std::size_t length_bytes = 8;
constexpr std::string_view metadata_key = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 6> dtype_names = {{
    {"F32", DType::f32},
    {"BF16", DType::bf16},
    {"U8", DType::u8},
    {"I32", DType::i32},
    {"I64", DType::i64},
    {"U64", DType::u64},
}};

std::string_view stored_name(DType dtype) {
  return std::ranges::find(dtype_names, dtype, &std::pair<std::string_view, DType>::second)->first;
}

// One tensor as the header describes it.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> extents;
  std::vector<std::uint64_t> offsets;
};

// Accepts the header's grammar and nothing else, without building a document: depth is bounded by
// the grammar, size by the text.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(std::string place) : place_(std::move(place)) {}

  std::vector<Entry> entries;
  Metadata metadata;

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(number_integer_t value) override { refuse(fmt::format("{}", value)); }
  bool number_float(number_float_t, const string_t& text) override { refuse(in_quotes(text)); }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (where_ == Where::shape && entry().extents.size() < Shape::max_rank) {
      entry().extents.push_back(value);
    } else if (where_ == Where::offsets && entry().offsets.size() < 2) {
      entry().offsets.push_back(value);
    } else if (where_ == Where::shape) {
      fail(ExitCode::data, place_, "tensor {} has more than {} dimensions", in_quotes(entry().name),
           Shape::max_rank);
    } else {
      refuse(fmt::format("{}", value));
    }
    return true;
  }

  bool string(string_t& text) override {
    if (where_ == Where::metadata) {
      metadata[key_] = text;
    } else if (where_ == Where::tensor && key_ == "dtype") {
      const auto found =
          std::ranges::find(dtype_names, text, &std::pair<std::string_view, DType>::first);
      if (found == dtype_names.end()) {
        fail(ExitCode::data, place_,
             "tensor {} is of dtype {}, expected F32, BF16, U8, I32, I64 or U64",
             in_quotes(entry().name), in_quotes(text));
      }
      entry().dtype = found->second;
    } else {
      refuse(in_quotes(text));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (where_ == Where::outside) {
      where_ = Where::top;
    } else if (where_ == Where::top) {
      where_ = key_ == metadata_key ? Where::metadata : Where::tensor;
      if (where_ == Where::tensor) entries.push_back({key_, {}, {}, {}});
      members_.clear();
    } else {
      refuse("an object");
    }
    return true;
  }

  bool key(string_t& name) override {
    std::set<std::string>& seen = where_ == Where::top ? names_ : members_;
    if (!seen.insert(name).second) {
      fail(ExitCode::data, place_, "the header has {} twice", in_quotes(name));
    }
    if (where_ == Where::tensor && name != "dtype" && name != "shape" && name != "data_offsets") {
      refuse("the key " + in_quotes(name));
    }
    key_ = name;
    return true;
  }

  bool end_object() override {
    if (where_ == Where::tensor && (members_.size() < 3 || entry().offsets.size() < 2)) {
      fail(ExitCode::data, place_,
           "tensor {} lacks its dtype, its shape or one of two data_offsets",
           in_quotes(entry().name));
    }
    where_ = where_ == Where::top ? Where::outside : Where::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (where_ == Where::tensor && key_ == "shape") {
      where_ = Where::shape;
    } else if (where_ == Where::tensor && key_ == "data_offsets") {
      where_ = Where::offsets;
    } else {
      refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    where_ = Where::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(ExitCode::data, place_, "the header is not JSON in UTF-8 near its byte {}", position);
  }

 private:
  enum class Where { outside, top, metadata, tensor, shape, offsets };

  Entry& entry() { return entries.back(); }

  [[noreturn]] void refuse(const std::string& found) {
    fail(ExitCode::data, place_, "the header has {} where it does not belong (near key {})", found,
         in_quotes(key_));
  }

  std::string place_;
  Where where_ = Where::outside;
  std::string key_;
  std::set<std::string> names_;    // of the top object
  std::set<std::string> members_;  // of the object within
};

// Bytes that the shape and dtype ask for. Error(data) if their number does not fit 63 bits.
std::uint64_t bytes_of(const Entry& entry, const std::string& place) {
  std::uint64_t bytes = size_of(entry.dtype);
  for (const std::uint64_t extent : entry.extents) {
    const bool wraps = __builtin_mul_overflow(bytes, extent, &bytes);
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (wraps || extent > most || bytes > most) {
      fail(ExitCode::data, place, "tensor {} of shape {} is larger than any memory",
           in_quotes(entry.name), json(entry.extents).dump());
    }
  }
  return bytes;
}

// Puts the entries in the order of their bytes and proves that they fill [0, data_bytes).
void check_entries(std::vector<Entry>& entries, std::uint64_t data_bytes,
                   const std::string& place) {
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return std::tie(a.offsets, a.name) < std::tie(b.offsets, b.name);
  });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    const std::uint64_t bytes = bytes_of(entry, place);
    if (entry.offsets[0] != end || entry.offsets[1] < end || entry.offsets[1] - end != bytes) {
      fail(ExitCode::data, place,
           "tensor {} of {} bytes has data_offsets [{}, {}], expected [{}, {}]",
           in_quotes(entry.name), bytes, entry.offsets[0], entry.offsets[1], end, end + bytes);
    }
    end = entry.offsets[1];
  }
  require(end == data_bytes, ExitCode::data, place,
          "holds {} bytes of tensors, but the header describes {}", data_bytes, end);
}

Shape shape_of(const Entry& entry) {
  std::array<std::int64_t, Shape::max_rank> extents{};
  std::ranges::copy(entry.extents, extents.begin());
  return Shape(std::span<const std::int64_t>(extents.data(), entry.extents.size()));
}

std::string header_of(std::span<const TensorView* const> tensors, const Metadata& metadata) {
  std::string header = "{";
  const auto add = [&](const std::string& name, const std::string& value) {
    header += fmt::format("{}{}:{}", header.size() > 1 ? "," : "", json(name).dump(), value);
  };
  if (!metadata.empty()) add(std::string(metadata_key), json(metadata).dump());
  std::uint64_t offset = 0;
  for (const TensorView* tensor : tensors) {
    const std::uint64_t end = offset + tensor->bytes.size();
    const std::vector<std::int64_t> extents(tensor->shape.begin(), tensor->shape.end());
    add(tensor->name, fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})",
                                  stored_name(tensor->dtype), json(extents).dump(), offset, end));
    offset = end;
  }
  header += '}';
  header.append(align_up(length_bytes + header.size()) - length_bytes - header.size(), ' ');
  return header;
}

// The tensors in the order of the file.
std::vector<const TensorView*> ordered(std::span<const TensorView> tensors,
                                       const std::string& place) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) {
    const auto expected =
        static_cast<std::uint64_t>(tensor.shape.elements()) * size_of(tensor.dtype);
    require(tensor.bytes.size() == expected && tensor.name != metadata_key, ExitCode::internal,
            place, "tensor {} of shape {} comes with {} bytes, expected {}", in_quotes(tensor.name),
            tensor.shape.text(), tensor.bytes.size(), expected);
    order.push_back(&tensor);
  }
  std::ranges::sort(order, [](const TensorView* a, const TensorView* b) {
    const auto size_a = size_of(a->dtype), size_b = size_of(b->dtype);
    return std::tie(size_b, a->name) < std::tie(size_a, b->name);
  });
  std::set<std::string_view> names;
  for (const TensorView* tensor : order) {
    require(names.insert(tensor->name).second, ExitCode::internal, place, "tensor {} comes twice",
            in_quotes(tensor->name));
  }
  return order;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t limit = 80;
  const bool cut = text.size() > limit;
  return json(std::string(text.substr(0, limit)))
             .dump(-1, ' ', true, json::error_handler_t::replace) +
         (cut ? "..." : "");
}

WrittenFile write_safetensors(const fs::path& path, std::span<const TensorView> tensors,
                              const Metadata& metadata) {
  const std::vector<const TensorView*> order = ordered(tensors, path.string());
  const std::string header = header_of(order, metadata);
  const std::uint64_t length = header.size();
  WrittenFile written;
  written.bytes = length_bytes + length;
  for (const TensorView* tensor : order) written.bytes += tensor->bytes.size();

  FileWriter file(path, written.bytes);
  try {
    Sha256 digest;
    const auto write = [&](std::span<const std::byte> bytes) {
      constexpr std::size_t piece = 1 << 20;  // hashed and written while in the cache
      for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
        const auto head = bytes.first(std::min(piece, bytes.size()));
        digest.update(head);
        file.write(head);
      }
    };
    write(std::as_bytes(std::span(&length, 1)));
    write(std::as_bytes(std::span(header)));
    for (const TensorView* tensor : order) write(tensor->bytes);
    file.finish();
    written.sha256 = digest.hex();
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  return written;
}

Safetensors::Safetensors(const fs::path& path) : path_(path) {
  const std::string place = path.string();
  const FileDescriptor file = open_for_reading(path);
  struct stat status {};
  require(::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode), ExitCode::data, place,
          "is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  require(size >= length_bytes, ExitCode::data, place, "has {} bytes, too few for safetensors",
          size);
  std::uint64_t length = 0;
  read_at(file, std::as_writable_bytes(std::span(&length, 1)), 0, path);
  require(length <= std::min(max_header, size - length_bytes), ExitCode::data, place,
          "claims a header of {} bytes, at most {} expected: not safetensors, or cut short", length,
          std::min(max_header, size - length_bytes));
  head_.resize(length_bytes + length);
  read_at(file, std::as_writable_bytes(std::span(head_)), 0, path);
  const std::string_view header = std::string_view(head_).substr(length_bytes);
  require(header.starts_with('{'), ExitCode::data, place, "the header does not begin with '{{'");

  // The JSON parser would take it for the end of the text.
  require(header.find('\0') == header.npos, ExitCode::data, place, "the header has a NUL byte");

  HeaderReader reader(place);
  json::sax_parse(header, &reader);
  data_bytes_ = size - head_.size();
  check_entries(reader.entries, data_bytes_, place);

  data_ = Arena(data_bytes_, place);
  const std::span<std::byte> data(data_.data(), data_bytes_);
  read_at(file, data, head_.size(), path);
  for (Entry& entry : reader.entries) {
    by_name_.emplace(entry.name, tensors_.size());
    tensors_.push_back({std::move(entry.name), entry.dtype, shape_of(entry),
                        data.subspan(entry.offsets[0], entry.offsets[1] - entry.offsets[0])});
  }
  metadata_ = std::move(reader.metadata);
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

WrittenFile Safetensors::identity() const {
  const std::span<const std::byte> data(data_.data(), data_bytes_);
  return {head_.size() + data.size(), Sha256().update(head_).update(data).hex()};
}

}  // namespace convoy
