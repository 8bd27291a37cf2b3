// Initial: what a parameter holds before the first step. A description; the numbers are drawn by
// the trainer, from the run's seed and the parameter's name.
#pragma once

namespace convoy {

struct Initial {
  enum class Kind {
    by_role,            // convolutions kaiming_normal, linear layers and biases uniform_by_inputs
    constant,           // size
    normal,             // deviation `size`
    truncated_normal,   // likewise, drawn again beyond two deviations
    kaiming_normal,     // variance 2 / outputs: He et al., "Delving deep into rectifiers" (2015)
    kaiming_uniform,    // variance 2 / inputs
    xavier_uniform,     // variance 2 / (inputs + outputs): Glorot and Bengio (2010)
    uniform_by_inputs,  // within 1 / sqrt(inputs), the default of PyTorch
    uniform_by_outputs  // within 1 / sqrt(outputs)
  };
  Kind kind = Kind::by_role;
  float size = 0;
};

// Inputs and outputs are those of one weight: kernel area times input channels of a group, and
// times output channels of all groups, as torch.nn.init counts; biases take them from their
// weights.
constexpr Initial constant(float value) {
  return {Initial::Kind::constant, value};
}
constexpr Initial normal(float deviation) {
  return {Initial::Kind::normal, deviation};
}
constexpr Initial truncated_normal(float deviation) {
  return {Initial::Kind::truncated_normal, deviation};
}
constexpr Initial kaiming_normal() {
  return {Initial::Kind::kaiming_normal};
}
constexpr Initial kaiming_uniform() {
  return {Initial::Kind::kaiming_uniform};
}
constexpr Initial xavier_uniform() {
  return {Initial::Kind::xavier_uniform};
}
constexpr Initial uniform_by_inputs() {
  return {Initial::Kind::uniform_by_inputs};
}
constexpr Initial uniform_by_outputs() {
  return {Initial::Kind::uniform_by_outputs};
}

}  // namespace convoy
