#include "cluster/machine_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <thread>
#include <vector>

namespace convoy {
namespace {

constexpr int chains = 12;  // hide a latency of 4 cycles on 2 units, and then some
constexpr long rounds = 100'000;

[[gnu::target("avx512f")]] float burn_avx512(float start) {
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  __m512 sums[chains];
  for (__m512& sum : sums) {
    sum = _mm512_set1_ps(start);
  }
  for (long r = 0; r < rounds; ++r) {
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(sum, factor, term);
    }
  }
  float total = 0;
  for (const __m512& sum : sums) {
    total += _mm512_cvtss_f32(sum);
  }
  return total;
}

[[gnu::target("avx2,fma")]] float burn_avx2(float start) {
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  __m256 sums[chains];
  for (__m256& sum : sums) {
    sum = _mm256_set1_ps(start);
  }
  for (long r = 0; r < rounds; ++r) {
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(sum, factor, term);
    }
  }
  float total = 0;
  for (const __m256& sum : sums) {
    total += _mm256_cvtss_f32(sum);
  }
  return total;
}

// Processors before 2013.
float burn_plain(float start) {
  float sums[chains];
  std::ranges::fill(sums, start);
  for (long r = 0; r < rounds; ++r) {
    for (float& sum : sums) sum = sum * 0.999f + 0.001f;
  }
  return std::accumulate(std::begin(sums), std::end(sums), 0.0f);
}

// Multiply-adds per second of one thread, in giga-operations.
double burn(double seconds) {
  using clock = std::chrono::steady_clock;
  const bool wide = __builtin_cpu_supports("avx512f");
  const bool half = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const int lanes = wide ? 16 : half ? 8 : 1;
  const auto begin = clock::now();
  volatile float sink = 0;  // read and written each time, so that no round is left out
  double operations = 0, elapsed = 0;
  do {
    sink = wide ? burn_avx512(sink) : half ? burn_avx2(sink) : burn_plain(sink);
    operations += 2.0 * chains * rounds * lanes;
    elapsed = std::chrono::duration<double>(clock::now() - begin).count();
  } while (elapsed < seconds);
  return operations / elapsed / 1e9;
}

// Bytes per second of one thread on arrays that no core's own cache holds, in units of 1e9.
double stream(double seconds) {
  using clock = std::chrono::steady_clock;
  constexpr std::size_t count = std::size_t{8} << 20;
  std::vector<float> a(count, 1.0f), b(count, 2.0f), c(count, 3.0f);
  const auto begin = clock::now();
  double bytes = 0, elapsed = 0;
  do {
    const float factor = a[0] * 1e-9f;
    for (std::size_t i = 0; i < count; ++i) a[i] = b[i] + factor * c[i];
    bytes += 3.0 * count * sizeof(float);
    elapsed = std::chrono::duration<double>(clock::now() - begin).count();
  } while (elapsed < seconds);
  return bytes / elapsed / 1e9;
}

// The sum of what `measure` gives on each of `count` threads at once.
double on_threads(int count, double (*measure)(double), double seconds) {
  std::vector<double> figures(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (double& mine : figures) {
    threads.emplace_back([&mine, measure, seconds] { mine = measure(seconds); });
  }
  for (std::thread& thread : threads) thread.join();
  return std::accumulate(figures.begin(), figures.end(), 0.0);
}

}  // namespace

double peak_gflops(int threads, double seconds) {
  return on_threads(threads, burn, seconds);
}

double memory_bandwidth(int threads, double seconds) {
  return on_threads(threads, stream, seconds);
}

}  // namespace convoy
