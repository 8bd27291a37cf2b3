// The fused multiply-adds that the machine gives right now. Measured around every benchmark, it
// tells a round that neighbours disturbed from one that is slow by itself.
//
//   fma_peak [THREADS [SECONDS]]     prints {"gflops": G}, a multiply-add counted as two
#include <fmt/format.h>
#include <immintrin.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

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

// Multiply-adds per second of one thread, in giga-operations.
double burn(double seconds) {
  using clock = std::chrono::steady_clock;
  const bool wide = __builtin_cpu_supports("avx512f");
  const auto begin = clock::now();
  volatile float sink = 0;  // read and written each time, so that no round is left out
  double operations = 0, elapsed = 0;
  do {
    sink = wide ? burn_avx512(sink) : burn_avx2(sink);
    operations += 2.0 * chains * rounds * (wide ? 16 : 8);
    elapsed = std::chrono::duration<double>(clock::now() - begin).count();
  } while (elapsed < seconds);
  return operations / elapsed / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const auto cores = std::thread::hardware_concurrency();
  const auto count = argc > 1 ? static_cast<std::size_t>(std::atoi(argv[1])) : cores;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.5;
  std::vector<double> gflops(count);
  std::vector<std::thread> threads;
  for (double& mine : gflops) {
    threads.emplace_back([&mine, seconds] { mine = burn(seconds); });
  }
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    threads[i].join();
    sum += gflops[i];
  }
  fmt::print("{{\"gflops\": {:.1f}}}\n", sum);
}
