#include "data/hdf5.h"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "ops/core/check.h"

namespace convoy::hdf5 {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "datasets are read as they lie on disk");
static_assert(std::is_same_v<IdPolicy::type, hid_t>);

// Holds the library: not every build of it bears calls from two threads. Keeps it from printing,
// what it complains about goes into our own message; and from cleaning up when the process exits,
// where it crashes over a file that it could not write (1.10.8, disk full).
class Library {
 public:
  Library() : lock_(mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

 private:
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex only;
    [[maybe_unused]] static const herr_t no_clean_up = H5dont_atexit();
    return only;
  }
  std::lock_guard<std::recursive_mutex> lock_;
};

// The innermost complaint on HDF5's error stack, or the system's error that it quotes.
std::string complaint() {
  std::string text = "no reason given";
  const auto take_first = [](unsigned depth, const H5E_error2_t* error, void* into) -> herr_t {
    if (depth == 0 && error->desc) *static_cast<std::string*>(into) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &text);
  const std::string_view quote = "error message = '";
  if (const std::size_t at = text.find(quote); at != std::string::npos) {
    text.erase(0, at + quote.size());
    text.resize(std::min(text.find('\''), text.size()));
  }
  return text.substr(0, text.find('\n'));
}

// Checks what HDF5 returns (negative: failed) and says what was wanted of which file.
struct Check {
  const fs::path& path;
  ExitCode code;

  template <class Result>
  Result operator()(Result result, std::string_view what) const {
    require(result >= 0, code, path.string(), "{}: {}", what, result < 0 ? complaint() : "");
    return result;
  }
  // The same of a system call.
  template <class Result>
  Result system(Result result, std::string_view what) const {
    require(result >= 0, code, path.string(), "{}: {}", what, std::strerror(errno));
    return result;
  }
  Id own(hid_t id, std::string_view what) const { return Id((*this)(id, what)); }
};

hid_t element_type(Type type) {
  switch (type) {
    case Type::u8:
      return H5T_STD_U8LE;
    case Type::i32:
      return H5T_STD_I32LE;
    case Type::u32:
      return H5T_STD_U32LE;
    case Type::u64:
      return H5T_STD_U64LE;
    case Type::text:
      break;
  }
  return H5T_C_S1;
}

std::string_view name_of(Type type) {
  constexpr std::string_view names[] = {"uint8", "int32", "uint32", "uint64", "fixed-length text"};
  return names[static_cast<int>(type)];
}

// Of the elements of a dataset that holds these.
std::size_t longest(const std::vector<std::string>& texts) {
  std::size_t bytes = 1;
  for (const std::string& text : texts) bytes = std::max(bytes, text.size());
  return bytes;
}

Id text_type(std::uint64_t bytes, const Check& check) {
  Id type = check.own(H5Tcopy(H5T_C_S1), "cannot make a text type");
  check(H5Tset_size(type.get(), std::max<std::uint64_t>(bytes, 1)), "cannot size a text type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "cannot make a text type UTF-8");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "cannot pad a text type");
  return type;
}

// Groups keep links and attributes in their checksummed header: no B-trees, no heaps.
void keep_compact(hid_t creation, const Check& check) {
  check(H5Pset_obj_track_times(creation, false), "cannot switch timestamps off");
  check(H5Pset_attr_phase_change(creation, 64, 0), "cannot keep attributes compact");
  check(H5Pset_link_phase_change(creation, 4096, 0), "cannot keep links compact");
}

// File locks fail on many cluster file systems; nothing here needs them.
Id file_access(const Check& check) {
  Id access = check.own(H5Pcreate(H5P_FILE_ACCESS), "cannot make an access list");
  check(H5Pset_file_locking(access.get(), false, true), "cannot switch file locking off");
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "cannot set the close degree");
  return access;
}

std::uint64_t size_of_file(const FileDescriptor& file, const Check& check) {
  struct stat status {};
  require(::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode), check.code,
          check.path.string(), "is not a regular file");
  return static_cast<std::uint64_t>(status.st_size);
}

void write_attribute(hid_t file, const std::string& object, const std::string& name, hid_t type,
                     hid_t space, const void* value, const Check& check) {
  const std::string what = fmt::format("cannot write attribute {} of {}", name, object);
  const Id attribute = check.own(H5Acreate_by_name(file, object.c_str(), name.c_str(), type, space,
                                                   H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                 what);
  check(H5Awrite(attribute.get(), type, value), what);
}

// Opens an object, refusing links that leave the file's own tree of groups.
Id open_object(hid_t root, const std::string& name, H5I_type_t kind, const Check& check) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = name.find('/', end + 1);
    const std::string prefix = name.substr(0, end);
    H5L_info_t info;
    const htri_t exists = H5Lexists(root, prefix.c_str(), H5P_DEFAULT);
    require(check(exists, "cannot list it") > 0, check.code, check.path.string(), "has no {}",
            prefix);
    check(H5Lget_info(root, prefix.c_str(), &info, H5P_DEFAULT), prefix);
    require(info.type == H5L_TYPE_HARD, check.code, check.path.string(),
            "{} is a soft or external link, expected the object itself", prefix);
  }
  Id object =
      check.own(H5Oopen(root, name.c_str(), H5P_DEFAULT), fmt::format("cannot open {}", name));
  require(H5Iget_type(object.get()) == kind, check.code, check.path.string(),
          "{} is of another kind than expected: {}", name,
          kind == H5I_DATASET ? "a dataset" : "a group");
  return object;
}

Id open_attribute(hid_t root, const std::string& object, const std::string& name, H5T_class_t kind,
                  const Check& check) {
  const std::string what = fmt::format("cannot read attribute {} of {}", name, object);
  const htri_t exists = H5Aexists_by_name(root, object.c_str(), name.c_str(), H5P_DEFAULT);
  require(check(exists, what) > 0, check.code, check.path.string(), "{} has no attribute {}",
          object, name);
  Id attribute = check.own(
      H5Aopen_by_name(root, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), what);
  const Id type = check.own(H5Aget_type(attribute.get()), what);
  require(H5Tget_class(type.get()) == kind, check.code, check.path.string(),
          "attribute {} of {} has another type than expected", name, object);
  return attribute;
}

std::uint64_t count_of(const Id& attribute, const Check& check) {
  const Id space = check.own(H5Aget_space(attribute.get()), "cannot read an attribute's shape");
  return static_cast<std::uint64_t>(
      check(H5Sget_simple_extent_npoints(space.get()), "cannot read an attribute's shape"));
}

}  // namespace

void IdPolicy::close(type id) noexcept {
  const Library library;
  H5Idec_ref(id);
}

Writer::Writer(fs::path path) : path_(std::move(path)) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const Id access = file_access(check);
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110),
        "cannot set the library bounds");
  check(H5Pset_alignment(access.get(), 64 << 10, 4 << 10), "cannot set the alignment");
  const Id creation = check.own(H5Pcreate(H5P_FILE_CREATE), "cannot make a creation list");
  keep_compact(creation.get(), check);
  layout_ = check.own(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()),
                      "cannot create");
}

void Writer::group(const std::string& name) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const Id creation = check.own(H5Pcreate(H5P_GROUP_CREATE), "cannot make a creation list");
  keep_compact(creation.get(), check);
  const Id made =
      check.own(H5Gcreate2(layout_.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                fmt::format("cannot create group {}", name));
}

Extent Writer::text_dataset(const std::string& name, const std::vector<std::string>& texts) {
  return dataset(name, Type::text, texts.size(), longest(texts));
}

Extent Writer::dataset(const std::string& name, Type type, std::uint64_t count,
                       std::uint64_t element_bytes) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const std::string what = fmt::format("cannot create dataset {}", name);
  const Id creation = check.own(H5Pcreate(H5P_DATASET_CREATE), what);
  check(H5Pset_obj_track_times(creation.get(), false), what);
  check(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), what);
  check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), what);
  check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), what);
  const Id element = type == Type::text ? text_type(element_bytes, check)
                                        : check.own(H5Tcopy(element_type(type)), what);
  const hsize_t extents[] = {count};
  const Id space = check.own(H5Screate_simple(1, extents, nullptr), what);
  const Id made = check.own(H5Dcreate2(layout_.get(), name.c_str(), element.get(), space.get(),
                                       H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                            what);
  const haddr_t offset = count == 0 ? 0 : H5Dget_offset(made.get());
  require(offset != HADDR_UNDEF, ExitCode::storage, path_.string(), "{}: no space was allocated",
          what);
  return {offset, count, element_bytes};
}

void Writer::attribute(const std::string& object, const std::string& name, std::string_view text) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const Id type = text_type(text.size(), check);
  const Id space = check.own(H5Screate(H5S_SCALAR), "cannot make a scalar");
  const std::string value(text);  // an empty text still has its terminator to be read
  write_attribute(layout_.get(), object, name, type.get(), space.get(), value.c_str(), check);
}

void Writer::attribute(const std::string& object, const std::string& name, std::uint64_t number) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const Id space = check.own(H5Screate(H5S_SCALAR), "cannot make a scalar");
  write_attribute(layout_.get(), object, name, H5T_STD_U64LE, space.get(), &number, check);
}

void Writer::attribute(const std::string& object, const std::string& name,
                       const std::array<double, 3>& triple) {
  const Library library;
  const Check check{path_, ExitCode::storage};
  const hsize_t extents[] = {triple.size()};
  const Id space = check.own(H5Screate_simple(1, extents, nullptr), "cannot make a space");
  write_attribute(layout_.get(), object, name, H5T_IEEE_F64LE, space.get(), triple.data(), check);
}

void Writer::end_layout() {
  const Library library;
  const Check check{path_, ExitCode::storage};
  check(H5Fclose(layout_.release()), "cannot write");
  file_ = FileDescriptor(check.system(::open(path_.c_str(), O_RDWR | O_CLOEXEC), "cannot open"));
  bytes_ = size_of_file(file_, check);
  const bool reserved = ::fallocate(file_.get(), 0, 0, static_cast<off_t>(bytes_)) == 0;
  require(reserved || errno == EOPNOTSUPP, ExitCode::storage, path_.string(),
          "cannot reserve {} bytes: {}", bytes_, std::strerror(errno));
}

void Writer::write(const Extent& extent, std::span<const std::byte> bytes, std::uint64_t at) const {
  require(at <= extent.bytes() && bytes.size() <= extent.bytes() - at, ExitCode::internal,
          path_.string(), "{} bytes at {} do not fit a dataset of {} bytes", bytes.size(), at,
          extent.bytes());
  write_at(file_, bytes, extent.offset + at, path_);
}

std::uint64_t Writer::finish() {
  const Check check{path_, ExitCode::storage};
  check.system(::fsync(file_.get()), "cannot fsync");
  check.system(::close(file_.release()), "cannot close");
  return bytes_;
}

Reader::Reader(fs::path path) : path_(std::move(path)) {
  const Library library;
  const Check check{path_, ExitCode::data};
  file_ = open_for_reading(path_);
  bytes_ = size_of_file(file_, check);
  // Only superblocks of version 2 and 3 carry a checksum.
  constexpr std::array<unsigned char, 8> signature{0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  std::array<unsigned char, 9> head{};
  require(bytes_ > head.size(), ExitCode::data, path_.string(),
          "is not an HDF5 file: it has {} bytes", bytes_);
  read_at(file_, std::as_writable_bytes(std::span(head)), 0, path_);
  require(std::equal(signature.begin(), signature.end(), head.begin()), ExitCode::data,
          path_.string(), "is not an HDF5 file: it does not start with HDF5's signature");
  require(head[8] == 2 || head[8] == 3, ExitCode::data, path_.string(),
          "has an HDF5 superblock of version {}, expected 2 or 3", head[8]);
  const Id access = file_access(check);
  root_ = check.own(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), "cannot open as HDF5");
}

std::vector<std::string> Reader::groups() const {
  const Library library;
  const Check check{path_, ExitCode::data};
  H5G_info_t info;
  check(H5Gget_info(root_.get(), &info), "cannot read the root group");
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[256];
    const ssize_t length = check(H5Lget_name_by_idx(root_.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i,
                                                    name, sizeof name, H5P_DEFAULT),
                                 "cannot list the root group");
    if (static_cast<std::size_t>(length) >= sizeof name) continue;
    H5L_info_t link;
    check(H5Lget_info(root_.get(), name, &link, H5P_DEFAULT), name);
    if (link.type != H5L_TYPE_HARD) continue;
    const Id object = check.own(H5Oopen(root_.get(), name, H5P_DEFAULT), name);
    if (H5Iget_type(object.get()) == H5I_GROUP) names.emplace_back(name);
  }
  return names;
}

Extent Reader::dataset(const std::string& name, Type type) const {
  const Library library;
  const Check check{path_, ExitCode::data};
  const Id object = open_object(root_.get(), name, H5I_DATASET, check);
  const std::string what = fmt::format("cannot read dataset {}", name);

  const Id stored = check.own(H5Dget_type(object.get()), what);
  const bool as_expected = type == Type::text ? H5Tget_class(stored.get()) == H5T_STRING &&
                                                    H5Tis_variable_str(stored.get()) == 0
                                              : H5Tequal(stored.get(), element_type(type)) > 0;
  require(as_expected, ExitCode::data, path_.string(), "dataset {} is not of type {}", name,
          name_of(type));

  const Id space = check.own(H5Dget_space(object.get()), what);
  require(H5Sget_simple_extent_ndims(space.get()) == 1, ExitCode::data, path_.string(),
          "dataset {} does not have one dimension", name);
  hsize_t count = 0;
  check(H5Sget_simple_extent_dims(space.get(), &count, nullptr), what);
  const std::uint64_t element_bytes = H5Tget_size(stored.get());
  if (count == 0) return {0, 0, element_bytes};

  const Id creation = check.own(H5Dget_create_plist(object.get()), what);
  require(
      H5Pget_layout(creation.get()) == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) == 0,
      ExitCode::data, path_.string(), "dataset {} is not stored contiguously in this file", name);
  const haddr_t offset = H5Dget_offset(object.get());
  require(offset != HADDR_UNDEF, ExitCode::data, path_.string(), "dataset {} has no storage", name);
  require(offset <= bytes_ && element_bytes > 0 && count <= (bytes_ - offset) / element_bytes,
          ExitCode::data, path_.string(),
          "cut short: dataset {} has {} elements of {} bytes at {}, the file only {} bytes", name,
          count, element_bytes, offset, bytes_);
  return {offset, count, element_bytes};
}

std::vector<std::string> Reader::read_text(const std::string& name) const {
  const Extent extent = dataset(name, Type::text);
  std::string padded(extent.bytes(), '\0');
  read_at(file_, std::as_writable_bytes(std::span(padded)), extent.offset, path_);
  std::vector<std::string> texts(extent.count);
  for (std::uint64_t i = 0; i < extent.count; ++i) {
    texts[i] = padded.substr(i * extent.element_bytes, extent.element_bytes);
    texts[i].resize(std::min(texts[i].find('\0'), texts[i].size()));
  }
  return texts;
}

std::string Reader::text(const std::string& object, const std::string& name) const {
  const Library library;
  const Check check{path_, ExitCode::data};
  const Id attribute = open_attribute(root_.get(), object, name, H5T_STRING, check);
  const Id type = check.own(H5Aget_type(attribute.get()), name);
  require(count_of(attribute, check) == 1 && H5Tis_variable_str(type.get()) == 0, ExitCode::data,
          path_.string(), "attribute {} of {} is not one fixed-length text", name, object);
  std::string value(H5Tget_size(type.get()), '\0');
  check(H5Aread(attribute.get(), type.get(), value.data()), name);
  value.resize(std::min(value.find('\0'), value.size()));
  return value;
}

std::uint64_t Reader::number(const std::string& object, const std::string& name) const {
  const Library library;
  const Check check{path_, ExitCode::data};
  const Id attribute = open_attribute(root_.get(), object, name, H5T_INTEGER, check);
  require(count_of(attribute, check) == 1, ExitCode::data, path_.string(),
          "attribute {} of {} is not one number", name, object);
  std::uint64_t value = 0;
  check(H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value), name);
  return value;
}

std::array<double, 3> Reader::triple(const std::string& object, const std::string& name) const {
  const Library library;
  const Check check{path_, ExitCode::data};
  const Id attribute = open_attribute(root_.get(), object, name, H5T_FLOAT, check);
  std::array<double, 3> values{};
  require(count_of(attribute, check) == values.size(), ExitCode::data, path_.string(),
          "attribute {} of {} is not three numbers", name, object);
  check(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, values.data()), name);
  return values;
}

std::string padded(const std::vector<std::string>& texts) {
  const std::size_t width = longest(texts);
  std::string block;
  for (const std::string& text : texts) {
    block += text;
    block.append(width - text.size(), '\0');
  }
  return block;
}

void require_format(const Reader& file, std::string_view format) {
  const std::string found = file.text("/", "format");
  const std::string_view major = format.substr(0, format.find('.') + 1);
  require(found.starts_with(major), ExitCode::data, file.path().string(),
          "its format is \"{}\", expected \"{}x\"", found, major);
}

}  // namespace convoy::hdf5
