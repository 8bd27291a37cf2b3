#include "ops/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "ops/core/check.h"
#include "ops/fold.h"
#include "ops/plan_schedule.h"

namespace convoy {
namespace {

// Adds the seconds of its life to `total`; null: does nothing.
class Stopwatch {
 public:
  explicit Stopwatch(double* total) : total_(total) {
    if (total_) start_ = Clock::now();
  }
  ~Stopwatch() {
    if (total_) *total_ += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* total_;
  Clock::time_point start_;
};

}  // namespace

Parameters::Parameters(const Plan& plan)
    : backend_(plan.backend()),
      placed_(plan.parameters()),
      arena_(plan.parameter_floats() * sizeof(float), "parameters") {}

void Parameters::read(int index, std::span<const float> arena, std::span<float> logical) const {
  const PlacedParameter& p = placed_[index];
  backend_.reorder(p.desc, arena.data() + p.offset, plain_desc(p.desc.shape), logical.data());
}

void Parameters::write(int index, std::span<float> arena, std::span<const float> logical) const {
  const PlacedParameter& p = placed_[index];
  backend_.reorder(plain_desc(p.desc.shape), logical.data(), p.desc, arena.data() + p.offset);
}

PreparedWeights::PreparedWeights(const Plan& plan, const Parameters& parameters)
    : backend_(plan.backend()) {
  std::size_t bytes = 0;
  const auto reserve = [&](const std::vector<TensorDesc>& wanted) {
    Offsets offsets;
    offsets.fill(-1);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i].bytes == 0) continue;
      offsets[i] = static_cast<std::ptrdiff_t>(bytes);
      bytes += align_up(wanted[i].bytes);
    }
    return offsets;
  };
  for (const PlanStep& step : plan.steps()) {
    forward_.push_back(reserve(step.spec.prepared));
    // Backward uses forward's copy where it wants the same.
    std::vector<TensorDesc> further = step.spec.prepared_backward;
    for (std::size_t i = 0; i < further.size(); ++i) {
      if (further[i] == step.spec.prepared[i]) further[i].bytes = 0;
    }
    backward_.push_back(reserve(further));
    for (std::size_t i = 0; i < further.size(); ++i) {
      if (step.spec.prepared_backward[i].bytes > 0 && backward_.back()[i] < 0) {
        backward_.back()[i] = forward_.back()[i];
      }
    }
  }
  arena_ = Arena(bytes, "prepared weights");

  for (std::size_t s = 0; s < plan.steps().size(); ++s) {
    const PlanStep& step = plan.steps()[s];
    if (const auto* conv = std::get_if<Conv>(&step.op); conv && conv->norm && forward_[s][0] >= 0) {
      const int shift = shift_index(*conv);
      Folding& folding =
          foldings_.emplace_back(Folding{.op = *conv,
                                         .masters = plan.parameters()[step.parameters[0]].desc,
                                         .prepared = step.spec.prepared[0]});
      for (const int index : step.parameters) {
        folding.parameters.push_back(parameters.arena().data() + plan.parameters()[index].offset);
      }
      folding.weight = reinterpret_cast<float*>(arena_.data() + forward_[s][0]);
      folding.bias = reinterpret_cast<float*>(arena_.data() + forward_[s][shift]);
      continue;
    }
    const auto copy = [&](std::size_t i, const TensorDesc& to, std::ptrdiff_t offset) {
      const PlacedParameter& from = plan.parameters()[step.parameters[i]];
      KernelBuffers buffers;
      buffers.src[0] = reinterpret_cast<const std::byte*>(parameters.arena().data() + from.offset);
      buffers.dst = arena_.data() + offset;
      Copies& copies = from.frozen ? frozen_ : trained_;
      copies.push_back(plan.backend().make_reorder(from.desc, to));
      copies.back()->bind(buffers);
    };
    for (std::size_t i = 0; i < step.parameters.size(); ++i) {
      if (forward_[s][i] >= 0) copy(i, step.spec.prepared[i], forward_[s][i]);
      if (backward_[s][i] >= 0 && backward_[s][i] != forward_[s][i]) {
        copy(i, step.spec.prepared_backward[i], backward_[s][i]);
      }
    }
  }
}

void PreparedWeights::refresh(int part, int parts) {
  refresh_trained(part, parts);
  run(frozen_, part, parts);
  for (std::size_t i = part; i < foldings_.size(); i += parts) fold(foldings_[i]);
}

void PreparedWeights::refresh_trained(int part, int parts) {
  run(trained_, part, parts);
}

void PreparedWeights::run(const Copies& copies, int part, int parts) {
  for (std::size_t i = part; i < copies.size(); i += parts) copies[i]->forward({});
}

// By way of the row-major order. Only steps in inference mode fold, once per evaluation or run, so
// it may allocate.
void PreparedWeights::fold(const Folding& f) const {
  const Shape& shape = f.masters.shape;
  const TensorDesc row_major = plain_desc(shape);
  std::vector<float> weight(static_cast<std::size_t>(shape.elements()));
  backend_.reorder(f.masters, f.parameters[0], row_major, weight.data());
  std::vector<const float*> parameters = f.parameters;
  parameters[0] = weight.data();
  fold_batch_norm(f.op, parameters, weight, std::span(f.bias, static_cast<std::size_t>(shape[0])));
  backend_.reorder(row_major, weight.data(), f.prepared, f.weight);
}

struct Executor::State {
  // A kernel and where its tensors lie.
  struct Bound {
    std::unique_ptr<Kernel> kernel;
    KernelBuffers buffers;
  };

  const Plan& plan;
  Arena arena;
  std::vector<Bound> first;  // by step
  std::vector<Bound> again;  // by step: its second run and backward, where the schedule wants them
  // Which inputs are the caller's images.
  struct ImageReader {
    Bound* bound;
    std::size_t input;
  };
  std::vector<ImageReader> image_readers;
  // What second runs measure for the running statistics, which are known by then: thrown away.
  Arena repeated_statistics;
  const float* images = nullptr;
  StepArgs args;  // of the last forward pass
  StepSeconds* seconds = nullptr;
  Track* track = nullptr;

  std::byte* at(Place place) const { return place < 0 ? nullptr : arena.data() + place; }
  const float* floats(Place place) const { return reinterpret_cast<const float*>(at(place)); }
  void run_again(const ScheduledStep& entry);
};

namespace {

std::unique_ptr<Kernel> make_kernel(const Plan& plan, std::size_t s) {
  const PlanStep& step = plan.steps()[s];
  const ScheduledStep& entry = plan.schedule().steps[s];
  if (entry.reorder) return plan.backend().make_reorder(entry.offered[0], entry.offered[1]);
  std::vector<TensorDesc> masters;
  for (const int index : step.parameters) masters.push_back(plan.parameters()[index].desc);
  return plan.backend().make(step.op, {.place = step.name,
                                       .mode = step.mode,
                                       .src = entry.offered,
                                       .parameters = masters,
                                       .source_gradient = entry.source_gradient,
                                       .parameter_gradients = entry.parameter_gradients});
}

}  // namespace

Executor::Executor(const Plan& plan, const Parameters& parameters, const PreparedWeights& prepared)
    : state_(std::make_unique<State>(State{.plan = plan,
                                           .arena = Arena(plan.activation_bytes(), "activations"),
                                           .first = {},
                                           .again = {},
                                           .image_readers = {},
                                           .repeated_statistics = {},
                                           .args = {}})) {
  const Plan::Schedule& schedule = plan.schedule();
  state_->first.resize(plan.steps().size());
  state_->again.resize(plan.steps().size());
  for (std::size_t s = 0; s < plan.steps().size(); ++s) {
    const PlanStep& step = plan.steps()[s];
    const ScheduledStep& entry = schedule.steps[s];
    KernelBuffers b;
    for (std::size_t i = 0; i < step.parameters.size(); ++i) {
      const PlacedParameter& parameter = plan.parameters()[step.parameters[i]];
      b.parameters[i] = parameters.arena().data() + parameter.offset;
      b.gradient_offsets[i] = parameter.offset;
      b.gradient_wanted[i] =
          plan.mode() == Mode::training && !is_statistic(parameter.role) && !parameter.frozen;
      const auto copy = [&](std::ptrdiff_t offset) {
        return offset < 0 ? nullptr : prepared.arena_.data() + offset;
      };
      b.prepared[i] = copy(prepared.forward_[s][i]);
      b.prepared_backward[i] = copy(prepared.backward_[s][i]);
    }
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      b.diff_src[i] = state_->at(entry.diff_src[i]);
    }
    for (int i = 0; i < 2; ++i) b.diff_dst[i] = state_->at(entry.diff_dst[i]);

    const auto bind = [&](State::Bound& bound, const auto& places) {
      for (std::size_t i = 0; i < step.inputs.size(); ++i) b.src[i] = state_->at(places.src[i]);
      b.dst = state_->at(places.dst);
      b.workspace = state_->at(places.workspace);
      b.scratchpad = state_->at(places.scratchpad);
      bound = {make_kernel(plan, s), b};
      bound.kernel->bind(b);
      for (std::size_t i = 0; i < step.inputs.size(); ++i) {
        if (places.src[i] == graph_input) state_->image_readers.push_back({&bound, i});
      }
    };
    bind(state_->first[s], entry);
    if (!entry.again) continue;
    bind(state_->again[s], *entry.again);
    if (state_->repeated_statistics.size() == 0) {
      state_->repeated_statistics = Arena(plan.statistics_end() * sizeof(float), "statistics");
    }
  }
}

Executor::~Executor() = default;

void Executor::time_steps(StepSeconds* seconds) {
  state_->seconds = seconds;
  if (!seconds) return;
  seconds->forward.resize(state_->first.size());
  seconds->backward.resize(state_->first.size());
}

void Executor::trace(Track* track) {
  state_->track = track;
}

void Executor::forward(const Samples& samples, float* gradients) {
  if (samples.images != state_->images) {
    state_->images = samples.images;
    for (const auto& [bound, input] : state_->image_readers) {
      bound->buffers.src[input] = reinterpret_cast<const std::byte*>(samples.images);
      bound->kernel->bind(bound->buffers);
    }
  }
  state_->args = {.labels = samples.labels,
                  .soft_labels = samples.soft_labels,
                  .seed = samples.seed,
                  .position = samples.position,
                  .sum_over_lanes = samples.sum_over_lanes,
                  .gradients = gradients};
  for (std::size_t s = 0; s < state_->first.size(); ++s) {
    const Stopwatch watch(state_->seconds ? &state_->seconds->forward[s] : nullptr);
    const Traced traced(state_->track, state_->plan.steps()[s].name, "forward");
    state_->first[s].kernel->forward(state_->args);
  }
}

void Executor::State::run_again(const ScheduledStep& entry) {
  StepArgs repeated = args;
  repeated.gradients = repeated_statistics.as<float>().data();
  for (int s = entry.again_first; s < entry.again_end; ++s) again[s].kernel->forward(repeated);
}

void Executor::backward(float loss_scale, float* gradients,
                        const std::function<void(std::size_t)>& on_ready) {
  StepArgs args = state_->args;
  args.gradients = gradients;
  args.loss_scale = loss_scale;
  for (std::size_t s = state_->first.size(); s-- > 0;) {
    const ScheduledStep& entry = state_->plan.schedule().steps[s];
    const Stopwatch watch(state_->seconds ? &state_->seconds->backward[s] : nullptr);
    const Traced traced(entry.has_backward ? state_->track : nullptr, state_->plan.steps()[s].name,
                        "backward");
    state_->run_again(entry);
    if (!entry.has_backward) continue;
    (entry.again ? state_->again : state_->first)[s].kernel->backward(args);
    for (const auto& [into, from, count] : entry.accumulations) {
      auto* total = reinterpret_cast<float*>(state_->at(into));
      const float* term = state_->floats(from);
      for (std::size_t i = 0; i < count; ++i) total[i] += term[i];
    }
    if (entry.ready > 0) on_ready(entry.ready);
  }
}

std::span<const float> Executor::losses() const {
  return {state_->floats(state_->plan.schedule().losses),
          static_cast<std::size_t>(state_->plan.images()[0])};
}

std::span<const float> Executor::logits() const {
  return {state_->floats(state_->plan.schedule().logits),
          static_cast<std::size_t>(state_->plan.logits().elements())};
}

}  // namespace convoy
