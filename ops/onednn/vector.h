// Vectors of floats for the loops that are compiled once per instruction set. Everything here has
// internal linkage on purpose: no code for a newer processor may end up in a function that others
// share.
#pragma once

#ifdef __FMA__
#include <immintrin.h>
#endif

namespace convoy::onednn {
namespace {

template <int Width>
struct VectorOf;
template <>
struct VectorOf<8> {
  using type = float __attribute__((vector_size(32), may_alias));
  using unaligned = float __attribute__((vector_size(32), may_alias, aligned(4)));
  using mask = int __attribute__((vector_size(32)));
};
template <>
struct VectorOf<16> {
  using type = float __attribute__((vector_size(64), may_alias));
  using unaligned = float __attribute__((vector_size(64), may_alias, aligned(4)));
  using mask = int __attribute__((vector_size(64)));
};

template <int Width>
using Vector = typename VectorOf<Width>::type;
template <int Width>
using Mask = typename VectorOf<Width>::mask;

// From and to memory that is aligned to the vector.
template <int Width>
Vector<Width> load(const float* from) {
  return *reinterpret_cast<const Vector<Width>*>(from);
}
template <int Width>
void store(float* to, Vector<Width> value) {
  *reinterpret_cast<Vector<Width>*>(to) = value;
}
// From and to any float.
template <int Width>
Vector<Width> load_any(const float* from) {
  return *reinterpret_cast<const typename VectorOf<Width>::unaligned*>(from);
}
template <int Width>
void store_any(float* to, Vector<Width> value) {
  *reinterpret_cast<typename VectorOf<Width>::unaligned*>(to) = value;
}

// x * y + z, rounded once where the processor can: said here, since the compiler may not decide it.
#ifdef __FMA__
inline Vector<8> multiply_add(Vector<8> x, Vector<8> y, Vector<8> z) {
  return _mm256_fmadd_ps(x, y, z);
}
#else
inline Vector<8> multiply_add(Vector<8> x, Vector<8> y, Vector<8> z) {
  return x * y + z;
}
#endif
#ifdef __AVX512F__
inline Vector<16> multiply_add(Vector<16> x, Vector<16> y, Vector<16> z) {
  return _mm512_fmadd_ps(x, y, z);
}
#endif

}  // namespace
}  // namespace convoy::onednn
