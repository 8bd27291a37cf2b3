// Handle: the one owner of a C library's handle. Move-only; closes on destruction; closing never
// throws.
//
// The policy says what the handle is, what "none" is and how to close:
//   struct FilePolicy {
//     using type = hid_t;
//     static type null() noexcept { return H5I_INVALID_HID; }
//     static void close(type h) noexcept { H5Fclose(h); }
//   };
#pragma once

#include <utility>

namespace convoy {

template <class Policy>
class Handle {
 public:
  using type = typename Policy::type;

  Handle() noexcept : handle_(Policy::null()) {}
  explicit Handle(type handle) noexcept : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, Policy::null())) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, Policy::null());
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  type get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != Policy::null(); }
  // Gives the handle up without closing it.
  type release() noexcept { return std::exchange(handle_, Policy::null()); }
  void reset() noexcept {
    if (handle_ != Policy::null()) Policy::close(std::exchange(handle_, Policy::null()));
  }

 private:
  type handle_;
};

}  // namespace convoy
