// Each pass of the convolutions of the networks, by the direct algorithm, by Winograd's, and
// directly with factors rounded to bf16: the figures behind the rules of ops/onednn/winograd.cpp
// and ops/onednn/conv_primitives.cpp, and which kernels the library picks.
//
//   conv_bench [NAME [THREADS [ROUNDS]]]     shapes whose name contains NAME, all by default
//
// THREADS workers (2) run the same kernel at once, each single-threaded on tensors of its own, as
// training does. The algorithms take turns; times are medians over workers and ROUNDS (7) of the
// processor time that a call took, which other programs on the machine disturb less than the clock.
// A "?" marks a pass where the rule takes the slower one.
#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/ops/op_harness.h"

namespace convoy::test {
namespace {

struct ConvCase {
  std::string name;
  Conv op;
  int channels;
  int pixels;  // height and width
  std::vector<int> batches;
};

std::vector<ConvCase> conv_cases() {
  std::vector<ConvCase> cases;
  const auto dense = [&](const std::string& net, std::vector<int> batches, int pixels, int in,
                         int out) {
    cases.push_back({fmt::format("{} {}->{} {}x{}", net, in, out, pixels, pixels),
                     Conv{.out_channels = out, .pad = 1}, in, pixels, std::move(batches)});
  };
  for (const auto& [channels, pixels] : {std::pair{64, 56}, {128, 28}, {256, 14}, {512, 7}}) {
    dense("resnet", {8, 16, 32, 64}, pixels, channels, channels);
  }
  for (const auto& [channels, pixels] : {std::pair{64, 32}, {128, 16}, {256, 8}, {512, 4}}) {
    dense("cifar-resnet18", {16, 32, 64, 128}, pixels, channels, channels);
  }
  for (const auto& [channels, pixels] : {std::pair{16, 32}, {32, 16}, {64, 8}}) {
    dense("resnet20", {32, 64, 128}, pixels, channels, channels);
  }
  for (const auto& [in, out, pixels] :
       {std::tuple{64, 128, 112}, {128, 256, 56}, {256, 512, 28}, {512, 512, 14}}) {
    dense("vgg11", {8, 16}, pixels, in, out);
  }
  for (const auto& [in, out, pixels] :
       {std::tuple{64, 192, 56}, {96, 128, 28}, {96, 208, 14}, {160, 320, 7}}) {
    dense("googlenet", {8, 16, 32}, pixels, in, out);
  }
  for (const int batch : {1, 2, 4, 8, 12}) {  // few tiles
    dense("few", {batch}, 14, 64, 64);
    dense("few", {batch}, 14, 256, 256);
    dense("few", {batch}, 7, 512, 512);
    dense("few", {batch}, 4, 512, 512);
  }
  dense("narrow", {16}, 56, 16, 16);
  dense("narrow", {16}, 56, 32, 32);
  dense("narrow", {16}, 56, 48, 48);
  dense("narrow", {16}, 56, 16, 64);
  dense("narrow", {16}, 56, 64, 16);
  dense("narrow", {16}, 56, 32, 64);
  dense("narrow", {16}, 56, 64, 32);
  dense("first", {16}, 224, 3, 64);
  dense("first", {64}, 32, 3, 64);
  for (const auto& [in, stride, pixels] : {std::tuple{32, 1, 112},
                                           {64, 2, 112},
                                           {128, 1, 56},
                                           {128, 2, 56},
                                           {256, 1, 28},
                                           {256, 2, 28},
                                           {512, 1, 14},
                                           {512, 2, 14},
                                           {1024, 1, 7}}) {
    const Padding pad = stride == 1 ? Padding(1) : Padding(0, 0, 1, 1);
    cases.push_back({fmt::format("mobilenet depthwise {} {}x{} /{}", in, pixels, pixels, stride),
                     Conv{.out_channels = in, .stride = stride, .pad = pad, .groups = in},
                     in,
                     pixels,
                     {16, 32}});
  }
  for (const auto& [in, out, pixels] : {std::tuple{32, 64, 112},
                                        {64, 128, 56},
                                        {128, 128, 56},
                                        {128, 256, 28},
                                        {256, 256, 28},
                                        {256, 512, 14},
                                        {512, 512, 14},
                                        {512, 1024, 7},
                                        {1024, 1024, 7}}) {
    cases.push_back({fmt::format("mobilenet 1x1 {}->{} {}x{}", in, out, pixels, pixels),
                     Conv{.out_channels = out, .kernel = 1},
                     in,
                     pixels,
                     {16, 32}});
  }
  for (const auto& [in, out, pixels, stride] : {std::tuple{64, 64, 56, 1},
                                                {64, 256, 56, 1},
                                                {256, 64, 56, 1},
                                                {256, 512, 56, 2},
                                                {128, 512, 28, 1},
                                                {512, 128, 28, 1},
                                                {256, 1024, 14, 1},
                                                {1024, 256, 14, 1},
                                                {512, 2048, 7, 1},
                                                {2048, 512, 7, 1},
                                                {16, 64, 56, 1},
                                                {64, 16, 56, 1},
                                                {192, 32, 28, 1},
                                                {32, 192, 28, 1}}) {
    cases.push_back({fmt::format("1x1 {}->{} {}x{} /{}", in, out, pixels, pixels, stride),
                     Conv{.out_channels = out, .kernel = 1, .stride = stride},
                     in,
                     pixels,
                     {16}});
  }
  for (const auto& [in, out, pixels] : {std::tuple{16, 32, 32}, {32, 64, 16}, {128, 128, 56}}) {
    cases.push_back({fmt::format("3x3 {}->{} {}x{} /2", in, out, pixels, pixels),
                     Conv{.out_channels = out, .stride = 2, .pad = 1},
                     in,
                     pixels,
                     {16}});
  }
  cases.push_back({"mobilenet first 3->32 224x224 /2",
                   Conv{.out_channels = 32, .stride = 2, .pad = {0, 0, 1, 1}},
                   3,
                   224,
                   {16, 32}});
  return cases;
}

// Of the calling thread, in ms.
double processor_time() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

constexpr std::array passes{"forward", "source gradient", "weight gradient"};

// One algorithm's kernels of one worker, so made that each pass can be run alone.
class Passes {
 public:
  Passes(const BackendOptions& options, const ConvCase& c, const Shape& images)
      : backend_(make_onednn_backend(options)),
        to_weights_(*backend_, c.op, {images}, variant(images, false)),
        to_source_(*backend_, c.op, {images}, variant(images, true)) {
    const OpInputs inputs = random_inputs({c.name, c.op, {images}}, 1);
    to_weights_.load(inputs);
    to_source_.load(inputs);
  }

  void run(std::size_t pass) {
    if (pass == 0) to_weights_.forward();
    if (pass == 1) to_source_.backward();
    if (pass == 2) to_weights_.backward();
  }
  // The library's name of the implementation.
  std::string algorithm(std::size_t pass) const {
    const std::string& both = to_weights_.spec().algorithm;  // weight gradient, forward
    const std::string& all = to_source_.spec().algorithm;    // the same with the source's between
    if (pass == 0) return both.substr(both.find(' ') + 1);
    if (pass == 2) return both.substr(0, both.find(' '));
    const std::size_t start = all.find(' ') + 1;
    return all.substr(start, all.find(' ', start) - start);
  }

 private:
  static OpVariant variant(const Shape& images, bool source) {
    return {.offer_conv_layout = images[1] > 3,
            .source_gradient = source,
            .parameter_gradients = !source};
  }
  std::unique_ptr<Backend> backend_;
  OpHarness to_weights_;
  OpHarness to_source_;
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

// The way that the others are compared with, and those.
std::vector<BackendOptions> ways() {
  std::vector<BackendOptions> ways{{.winograd = Winograd::never},
                                   {.winograd = Winograd::wherever_possible}};
  if (onednn_can_multiply_in(Precision::bf16)) {
    ways.push_back({.winograd = Winograd::never, .precision = Precision::bf16});
  }
  return ways;
}

struct PassResult {
  std::vector<double> ms;  // by way
  std::vector<std::string> algorithms;
  bool winograd_chosen = false;  // by the rule
};

std::array<PassResult, 3> measure(const ConvCase& c, int batch, int threads, int rounds) {
  const Shape images{batch, c.channels, c.pixels, c.pixels};
  const std::vector<BackendOptions> all = ways();
  std::array<PassResult, 3> results;
  std::barrier together(threads);
  std::mutex mutex;
  std::array<std::vector<std::vector<double>>, 3> times;  // by pass and way
  for (auto& of_pass : times) of_pass.resize(all.size());
  const auto work = [&](int worker) {
    std::vector<std::unique_ptr<Passes>> kernels;
    for (const BackendOptions& way : all) {
      kernels.push_back(std::make_unique<Passes>(way, c, images));
    }
    for (std::size_t pass = 0; pass < 3; ++pass) {
      for (int round = -1; round < rounds; ++round) {  // the first is not counted
        for (std::size_t w = 0; w < all.size(); ++w) {
          together.arrive_and_wait();
          const double start = processor_time();
          kernels[w]->run(pass);
          const double ms = processor_time() - start;
          const std::lock_guard lock(mutex);
          if (round >= 0) times[pass][w].push_back(ms);
        }
      }
    }
    if (worker > 0) return;
    const Passes by_rule({}, c, images);
    for (std::size_t pass = 0; pass < 3; ++pass) {
      for (const auto& of_way : kernels) {
        results[pass].algorithms.push_back(of_way->algorithm(pass));
      }
      results[pass].winograd_chosen = by_rule.algorithm(pass) != results[pass].algorithms[0];
    }
  };
  std::vector<std::thread> workers;
  for (int worker = 0; worker < threads; ++worker) workers.emplace_back(work, worker);
  for (std::thread& worker : workers) worker.join();
  for (std::size_t pass = 0; pass < 3; ++pass) {
    for (auto& of_way : times[pass]) results[pass].ms.push_back(median(of_way));
  }
  return results;
}

void report(const ConvCase& c, int batch, int threads, int rounds) {
  const auto results = measure(c, batch, threads, rounds);
  const double gflop =
      2e-9 * multiply_adds(c.op, std::array{Shape{batch, c.channels, c.pixels, c.pixels}});
  for (std::size_t pass = 0; pass < 3; ++pass) {
    const PassResult& r = results[pass];
    fmt::print("{:<36} batch {:>3} {:<15} {:>8.2f} ms {:>5.0f} GFLOP/s {:<22}", c.name, batch,
               passes[pass], r.ms[0], gflop / r.ms[0] * 1e3, r.algorithms[0]);
    for (std::size_t w = 1; w < r.ms.size(); ++w) {
      if (r.algorithms[w] == r.algorithms[0]) continue;
      const double ratio = r.ms[0] / r.ms[w];
      fmt::print(" {} {:.2f} ms x {:.2f}", r.algorithms[w], r.ms[w], ratio);
      if (w > 1) continue;
      fmt::print(" {}{}", r.winograd_chosen ? "taken" : "left",
                 r.winograd_chosen != (ratio > 1) ? "?" : "");
    }
    fmt::print("\n");
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace convoy::test

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 7;
  for (const auto& c : convoy::test::conv_cases()) {
    if (c.name.find(name) == std::string::npos) continue;
    for (const int batch : c.batches) convoy::test::report(c, batch, threads, rounds);
  }
}
