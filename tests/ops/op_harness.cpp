#include "tests/ops/op_harness.h"

#include <algorithm>
#include <cmath>

#include "ops/core/random.h"
#include "ops/fold.h"

namespace convoy::test {
namespace {

std::vector<float> uniform(std::int64_t count, Random& random, float low, float high) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = random.uniform(low, high);
  return values;
}

std::vector<float> plausible(const ParameterSpec& parameter, Random& random) {
  switch (parameter.role) {
    case ParameterRole::running_variance:
      return uniform(parameter.shape.elements(), random, 0.5f, 2.0f);
    case ParameterRole::scale:
      return uniform(parameter.shape.elements(), random, -0.5f, 1.5f);
    default:
      return uniform(parameter.shape.elements(), random, -1.0f, 1.0f);
  }
}

TensorDesc bytes_desc(std::size_t bytes) {
  return plain_desc(Shape{static_cast<std::int64_t>(bytes)}, DType::u8);
}

}  // namespace

OpInputs random_inputs(const OpCase& c, std::uint64_t seed) {
  Random random(seed, RandomUse::test, 0);
  OpInputs inputs;
  for (const Shape& shape : c.inputs) {
    inputs.src.push_back(uniform(shape.elements(), random, -0.8f * c.spread, 1.2f * c.spread));
  }
  for (const ParameterSpec& parameter : parameters(c.op, c.inputs)) {
    inputs.parameters.push_back(plausible(parameter, random));
  }
  const Shape dst = output_shape(c.op, "case", c.inputs);
  for (int i = 0; i < 2; ++i) {
    inputs.diff_dst.push_back(uniform(dst.elements(), random, -1.0f, 1.0f));
  }
  if (is_loss(c.op)) {
    for (std::int64_t row = 0; row < c.inputs[0][0]; ++row) {
      const auto label = random.below(static_cast<std::uint32_t>(c.inputs[0][1]));
      inputs.labels.push_back(row % 5 == 4 ? -1 : static_cast<std::int32_t>(label));
    }
  }
  if (c.coarse) {
    for (auto* group : {&inputs.src, &inputs.parameters, &inputs.diff_dst}) {
      for (std::vector<float>& values : *group) {
        for (float& value : values) value = std::round(value * 32) / 32;
      }
    }
  }
  if (c.soft_labels) inputs.soft_labels = uniform(c.inputs[0].elements(), random, 0.0f, 1.0f);
  return inputs;
}

OpHarness::OpHarness(Backend& backend, const Op& op, const std::vector<Shape>& shapes,
                     OpVariant variant)
    : backend_(backend),
      op_(op),
      variant_(std::move(variant)),
      shapes_(shapes),
      parameters_(parameters(op, shapes)) {
  make_kernel();
  add_blocks();
  if (variant_.mode == Mode::training) add_gradient_blocks();
  memory_.allocate();
  bind();
}

bool OpHarness::writes_gradient(std::size_t i) const {
  if (!is_statistic(parameters_[i].role)) return variant_.parameter_gradients;
  const auto* norm = std::get_if<BatchNorm>(&op_);
  return !norm || !norm->fixed_statistics;
}

// Twice, as plan and executor do: first to see what the kernel wants, then with the masters
// decided.
void OpHarness::make_kernel() {
  const std::vector<TensorDesc> offered = offered_sources();
  std::vector<TensorDesc> masters;
  if (variant_.mode == Mode::inference) {
    for (const ParameterSpec& parameter : parameters_)
      masters.push_back(plain_desc(parameter.shape));
  }
  KernelRequest request{.place = "case",
                        .mode = variant_.mode,
                        .src = offered,
                        .parameters = masters,
                        .source_gradient = variant_.source_gradient,
                        .parameter_gradients = variant_.parameter_gradients};
  if (variant_.masters_of_training) {
    masters = training_masters(offered);
    request.parameters = masters;
  }
  const KernelSpec wanted = backend_.make(op_, request)->spec();
  request.parameters = wanted.parameters;
  kernel_ = backend_.make(op_, request);
}

// Training fuses less into a convolution than inference does.
std::vector<TensorDesc> OpHarness::training_masters(std::span<const TensorDesc> offered) const {
  Op trained = op_;
  if (auto* conv = std::get_if<Conv>(&trained)) {
    if (conv->add) offered = offered.first(1);
    conv->norm.reset();
    conv->add = false;
    conv->relu_cap = Conv{}.relu_cap;
  }
  std::vector<TensorDesc> masters =
      backend_.make(trained, {.place = "case", .src = offered})->spec().parameters;
  for (std::size_t i = masters.size(); i < parameters_.size(); ++i) {
    masters.push_back(plain_desc(parameters_[i].shape));
  }
  return masters;
}

std::vector<TensorDesc> OpHarness::offered_sources() const {
  std::vector<TensorDesc> offered;
  for (const Shape& shape : shapes_) {
    offered.push_back(plain_desc(shape));
    if (!variant_.offer_conv_layout || shape.rank() != 4) continue;
    // A first layer, for which no library keeps the plain order.
    const Conv producer{.out_channels = static_cast<int>(shape[1]), .kernel = 3, .pad = 1};
    const std::vector image{plain_desc({shape[0], 3, shape[2], shape[3]})};
    offered.back() = backend_.make(producer, {.place = "producer", .src = image})->spec().dst;
  }
  return offered;
}

OpHarness::Block OpHarness::add(const std::string& name, const TensorDesc& desc) {
  if (desc.bytes == 0) return {-1, desc};
  return {memory_.add(name, desc.bytes), desc};
}

void OpHarness::add_blocks() {
  const auto numbered = [](const char* name, std::size_t i) { return name + std::to_string(i); };
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    src_.push_back(add(numbered("src", i), spec().src[i]));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    masters_.push_back(add(numbered("master", i), spec().parameters[i]));
    prepared_.push_back(add(numbered("prepared", i), spec().prepared[i]));
    prepared_backward_.push_back(
        add(numbered("prepared_backward", i), spec().prepared_backward[i]));
  }
  const bool in_place = variant_.share_memory && spec().forward_in_place &&
                        spec().src[0].bytes == spec().dst.bytes &&
                        !(variant_.mode == Mode::training && spec().backward_reads_src);
  const bool adds_in_place =
      variant_.share_memory && variant_.mode == Mode::inference && spec().forward_adds_in_place;
  dst_ = in_place        ? Block{src_[0].number, spec().dst}
         : adds_in_place ? Block{src_[1].number, spec().dst}
                         : add("dst", spec().dst);
  workspace_ = add("workspace", bytes_desc(spec().workspace));
  scratchpad_ = add("scratchpad", bytes_desc(spec().scratchpad));
}

void OpHarness::add_gradient_blocks() {
  diff_dst_.push_back(add("diff_dst0", spec().dst));
  if (spec().sums_diff_dst) diff_dst_.push_back(add("diff_dst1", spec().dst));
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const bool shared = variant_.share_memory && spec().src[i].bytes == spec().dst.bytes &&
                        (i == 0 ? spec().backward_in_place : spec().shares_diff_dst);
    diff_src_.push_back(shared ? Block{diff_dst_[0].number, spec().src[i]}
                               : add("diff_src" + std::to_string(i), spec().src[i]));
    if (!variant_.source_gradient) memory_.forbid(diff_src_.back().number);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    gradients_.push_back(add("gradient of " + parameters_[i].name, spec().parameters[i]));
    if (!writes_gradient(i)) memory_.forbid(gradients_.back().number);
  }
}

std::byte* OpHarness::at(const Block& block) const {
  return block.number < 0 ? nullptr : memory_.bytes(block.number).data();
}

void OpHarness::bind() {
  KernelBuffers b;
  for (std::size_t i = 0; i < src_.size(); ++i) b.src[i] = at(src_[i]);
  b.dst = at(dst_);
  for (std::size_t i = 0; i < diff_dst_.size(); ++i) b.diff_dst[i] = at(diff_dst_[i]);
  for (std::size_t i = 0; i < diff_src_.size() && variant_.source_gradient; ++i) {
    b.diff_src[i] = at(diff_src_[i]);
  }
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    b.parameters[i] = reinterpret_cast<const float*>(at(masters_[i]));
    b.prepared[i] = at(prepared_[i]);
    b.prepared_backward[i] = at(prepared_backward_[i]);
  }
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    b.gradient_offsets[i] = memory_.offset_in_floats(gradients_[i].number);
    b.gradient_wanted[i] = variant_.parameter_gradients && !is_statistic(parameters_[i].role);
  }
  b.workspace = at(workspace_);
  b.scratchpad = at(scratchpad_);
  args_.gradients = memory_.floats();
  kernel_->bind(b);
}

void OpHarness::write(const Block& block, const std::vector<float>& plain) const {
  if (block.number < 0) return;
  backend_.reorder(plain_desc(block.desc.shape), plain.data(), block.desc, at(block));
}

std::vector<float> OpHarness::read(const Block& block) const {
  std::vector<float> plain(static_cast<std::size_t>(block.desc.shape.elements()));
  backend_.reorder(block.desc, at(block), plain_desc(block.desc.shape), plain.data());
  return plain;
}

void OpHarness::load(const OpInputs& inputs) {
  for (const Block& block : {dst_, workspace_, scratchpad_}) {
    if (block.number >= 0) memory_.poison(block.number);
  }
  for (const Block& block : diff_src_) {
    if (variant_.source_gradient) memory_.poison(block.number);
  }
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    if (writes_gradient(i)) memory_.poison(gradients_[i].number);
  }
  for (std::size_t i = 0; i < src_.size(); ++i) write(src_[i], inputs.src[i]);
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    write(masters_[i], inputs.parameters[i]);
    write(prepared_[i], inputs.parameters[i]);
    write(prepared_backward_[i], inputs.parameters[i]);
  }
  write_folded(inputs);
  if (diff_dst_.size() == 2) {
    for (std::size_t i = 0; i < 2; ++i) write(diff_dst_[i], inputs.diff_dst[i]);
  } else if (diff_dst_.size() == 1) {
    std::vector<float> sum = inputs.diff_dst[0];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += inputs.diff_dst[1][i];
    write(diff_dst_[0], sum);
  }
  labels_ = inputs.labels;
  soft_labels_ = inputs.soft_labels;
  args_.labels = labels_.data();
  args_.soft_labels = soft_labels_.empty() ? nullptr : soft_labels_.data();
  args_.seed = inputs.seed;
  args_.position = inputs.position;
  args_.sum_over_lanes = inputs.sum_over_lanes;
  args_.loss_scale = inputs.loss_scale;
  inputs_ = inputs.src;
  inputs_.insert(inputs_.end(), inputs.parameters.begin(), inputs.parameters.end());
}

// Over the copies that the kernel wants folded.
void OpHarness::write_folded(const OpInputs& inputs) const {
  const auto* conv = std::get_if<Conv>(&op_);
  if (!conv || !conv->norm || prepared_[0].number < 0) return;
  std::vector<const float*> parameters;
  for (const std::vector<float>& parameter : inputs.parameters) {
    parameters.push_back(parameter.data());
  }
  std::vector<float> weight(inputs.parameters[0].size()), bias(inputs.parameters.back().size());
  fold_batch_norm(*conv, parameters, weight, bias);
  write(prepared_[0], weight);
  write(prepared_[shift_index(*conv)], bias);
}

OpOutputs OpHarness::outputs() const {
  OpOutputs outputs;
  outputs.dst = read(dst_);
  for (const Block& block : diff_src_) {
    outputs.diff_src.push_back(variant_.source_gradient ? read(block) : std::vector<float>{});
  }
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    outputs.gradients.push_back(writes_gradient(i) ? read(gradients_[i]) : std::vector<float>{});
  }
  return outputs;
}

OpOutputs OpHarness::run(const OpInputs& inputs) {
  load(inputs);
  forward();
  done_by_forward_ = changed_sources();
  if (variant_.mode == Mode::inference) return outputs();
  // Gone by the time of backward: what lives within one call, and what the spec does not ask for.
  if (scratchpad_.number >= 0) memory_.poison(scratchpad_.number);
  std::vector<std::size_t> gone;
  for (std::size_t i = spec().backward_reads_src ? 1 : 0; i < src_.size(); ++i) {
    if (src_[i].number != dst_.number) gone.push_back(i);
  }
  for (const std::size_t i : gone) memory_.poison(src_[i].number);
  backward();
  for (const std::size_t i : gone) write(src_[i], inputs_[i]);
  return outputs();
}

std::string OpHarness::changed_sources() const {
  for (std::size_t i = 0; i < src_.size(); ++i) {
    if (src_[i].number != dst_.number && read(src_[i]) != inputs_[i]) {
      return "changed src" + std::to_string(i);
    }
  }
  return "";
}

bool OpHarness::padding_is_zero(const Block& block) const {
  const std::vector<float> plain = read(block);
  Arena clean(block.desc.bytes, "round trip");
  backend_.reorder(plain_desc(block.desc.shape), plain.data(), block.desc, clean.data());
  const auto* found = reinterpret_cast<const float*>(at(block));
  return std::equal(found, found + block.desc.bytes / sizeof(float), clean.as<float>().data());
}

std::string OpHarness::misdeeds() const {
  if (const std::string where = memory_.trampled(); !where.empty()) return "wrote " + where;
  if (!done_by_forward_.empty()) return done_by_forward_;
  if (const std::string what = changed_sources(); !what.empty()) return what;
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    if (read(masters_[i]) != inputs_[src_.size() + i]) return "changed " + parameters_[i].name;
  }
  if (!padding_is_zero(dst_)) return "left the padding of dst other than zero";
  for (const Block& block : diff_src_) {
    if (variant_.source_gradient && !padding_is_zero(block)) {
      return "left the padding of diff_src other than zero";
    }
  }
  return "";
}

}  // namespace convoy::test
